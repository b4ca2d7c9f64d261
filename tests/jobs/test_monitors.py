from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.jobs.monitors import AfterStarts
from harness.records.rundir import RunFolder
from harness.records.store import StudyStore
from harness.search.search import Search
from tests.search.simulate import evaluation, make_spec


@pytest.fixture
def new_search(tmp_path: Path) -> Iterator[Callable[..., Search]]:
    run = RunFolder(tmp_path / "run")
    run.create()
    store = StudyStore.open(run.database, "simulated", ["accuracy"])
    yield lambda **spec: Search(make_spec(**spec), store, run)
    store.close()


def test_after_starts_waits_for_the_last_start_and_for_what_follows_it(new_search: Callable[..., Search]) -> None:
    search, done = new_search(trials=3), list[str]()
    later = AfterStarts(search, lambda: done.append("one"), lambda: done.append("two"))
    first, second = search.next(), search.next()
    assert first is not None and second is not None
    later.started(first)
    later.progressed(0, evaluation(first, 0.5))
    assert search.next() is not None
    assert done == [], "the last trial is starting"
    later.progressed(1, evaluation(second, 0.5))
    assert done == ["one", "two"]
    later.progressed(0, evaluation(first, 1.0))
    later.now()
    assert done == ["one", "two"], "once"


def test_after_starts_of_a_space_that_gives_no_more(new_search: Callable[..., Search]) -> None:
    search, done = new_search(trials=9, training={"batch_size": {"choices": [8, 16]}}), list[str]()
    later = AfterStarts(search, lambda: done.append("one"))
    first = search.next()
    assert first is not None and search.next() is not None
    later.progressed(0, evaluation(first, 0.5))
    assert done == []
    assert search.next() is None
    later.progressed(0, evaluation(first, 1.0))
    assert done == ["one"]


def test_after_starts_at_the_end_at_the_latest(new_search: Callable[..., Search]) -> None:
    done: list[str] = []
    AfterStarts(new_search(trials=2), lambda: done.append("one")).now()
    assert done == ["one"]
