from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path

import pytest

from harness.records.rundir import RunFolder
from harness.records.store import StudyStore

#: For a test of Ray with what it starts and ends; on two quiet cores the longest takes a tenth of it.
RAY_TEST_WITHIN_S = 240


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """No test of Ray hangs: it fails instead. (What no signal reaches, `faulthandler_timeout` ends.)"""
    if item.get_closest_marker("ray") is None:
        return (yield)

    def late(number: int, frame: object) -> None:
        pytest.fail(f"not done after {RAY_TEST_WITHIN_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(RAY_TEST_WITHIN_S)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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

    def make(earlier: StudyStore | None = None, *, objectives: tuple[str, ...] = ("accuracy",)) -> StudyStore:
        name = earlier.name if earlier else f"{request.node.nodeid} {next(numbers)}"
        opener = StudyStore(database._storage, -1, name, objectives, "test")
        store = opener.sibling(name, create=earlier is None)
        assert store is not None
        return store

    return make


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.create()
    return run
