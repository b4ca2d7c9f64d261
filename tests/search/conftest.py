"""Empty studies and run folders for tests of the search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from harness.records.rundir import RunFolder
from harness.records.store import StudyStore


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyStore]:
    """One database for all tests: making one costs more than most tests."""
    store = StudyStore.open(tmp_path_factory.mktemp("database") / "study.db", "first", ["accuracy"])
    yield store
    store.close()


@pytest.fixture
def new_store(database: StudyStore, request: pytest.FixtureRequest) -> Callable[..., StudyStore]:
    """Makes empty studies; called with an earlier store it opens that study anew, as another process would."""
    numbers = count()

    def make(
        earlier: StudyStore | None = None,
        *,
        objectives: tuple[str, ...] = ("accuracy",),
        rungs: tuple[float, ...] = (),
    ) -> StudyStore:
        name = earlier.name if earlier else f"{request.node.nodeid} {next(numbers)}"
        opener = StudyStore(database._storage, -1, name, objectives, "test", rungs)
        store = opener.sibling(name, create=earlier is None)
        assert store is not None
        return store

    return make


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.create()
    return run
