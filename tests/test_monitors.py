from __future__ import annotations

from harness.monitors import AfterStarts
from harness.records.schema import TrialState, record_of
from harness.spec.configure import resolve
from harness.spec.trial import TrialConfig
from tests.engines.simulate import evaluation, make_spec

SPEC = make_spec(trials=3)


def config(number: int) -> TrialConfig:
    return resolve(SPEC, number=number, params={"learning_rate": 1e-4, "batch_size": 8})


def test_after_starts_waits_for_the_last_start_and_for_what_follows_it() -> None:
    done: list[str] = []
    later = AfterStarts(2, lambda: done.append("one"), lambda: done.append("two"))
    for number in range(2):
        later.started(config(number))
        later.progressed(number, evaluation(config(number), 0.5))
    later.ended(record_of(config(0), TrialState.COMPLETE, [evaluation(config(0), 1.0)]))
    later.started(config(2))
    assert done == [], "the last trial is starting"
    later.progressed(1, evaluation(config(1), 1.0))
    assert done == ["one", "two"]
    later.ended(record_of(config(1), TrialState.COMPLETE, [evaluation(config(1), 1.0)]))
    later.now()
    assert done == ["one", "two"], "once"


def test_after_starts_of_a_study_that_goes_on() -> None:
    """The last trial was started by an earlier process, and may have ended there."""
    done: list[str] = []
    later = AfterStarts(2, lambda: done.append("one"), begun=True)
    later.started(config(1))
    assert done == []
    later.ended(record_of(config(1), TrialState.COMPLETE, [evaluation(config(1), 1.0)]))
    assert done == ["one"]


def test_after_starts_at_the_end_at_the_latest() -> None:
    done: list[str] = []
    AfterStarts(2, lambda: done.append("one")).now()
    assert done == ["one"]
