from __future__ import annotations

from typing import Any

import pytest

from harness.engines.active import MOST_LOSSES, Active, Ending
from harness.engines.messages import Evaluated
from harness.engines.trials import ActiveTrials, Outcome
from harness.errors import EngineError, FailReason
from harness.records.rundir import RunFolder
from harness.records.schema import Progress
from harness.search.source import Decision
from harness.testing.engines import COMPLETE, FAIL, PRUNED
from harness.testing.fakes import TOTAL_STEPS, config
from harness.testing.source import FakeSource


def make_trials(run: RunFolder, source: FakeSource, timeout_s: float | None = None) -> ActiveTrials[Active]:
    def drop(trial: Active) -> None:
        trials.end(trial, Ending(state=PRUNED))

    trials = ActiveTrials(source, run, Active, drop=drop, timeout_s=timeout_s)
    return trials


def evaluate(trials: ActiveTrials[Active], number: int, step: int) -> Outcome:
    """What follows two seconds of work and the evaluation after them."""
    trial = trials.by_number[number]
    progress = Progress(
        number=number,
        step=step,
        total_steps=TOTAL_STEPS,
        epoch=step / TOTAL_STEPS,
        num_rows=1,
        metrics={"accuracy": 0.5},
        train_loss=float(number),
    )
    event = Evaluated(number=number, start=step, end=step + 2, progress=progress)
    trial.add_span(0, event.start, event.end)
    learnt = trial.learn(event)
    assert learnt is not None
    return trials.outcome(trial, learnt)


@pytest.mark.parametrize(
    ("options", "timeout_s", "step", "outcome"),
    [
        ({}, None, 2, Decision.GO),
        ({"pause_at": 2}, None, 2, Decision.PAUSE),
        ({"stop": lambda number, progress: True}, None, 2, Ending(state=PRUNED)),
        ({}, None, TOTAL_STEPS, Ending(state=COMPLETE)),
        ({"keep": True}, 1.5, TOTAL_STEPS, Ending(state=COMPLETE, save=True)),
        ({}, 2.0, 2, Decision.GO),
        (
            {"pause_at": 2},
            1.5,
            2,
            Ending(state=FAIL, reason=FailReason.TIMEOUT, message="not done after 1.5 s of work"),
        ),
    ],
    ids=["go", "pause", "stop", "done", "done and late", "just in time", "late"],
)
def test_trials_outcome(
    run: RunFolder, options: dict[str, Any], timeout_s: float | None, step: int, outcome: Outcome
) -> None:
    trials = make_trials(run, FakeSource([config(0), config(1)], **options), timeout_s)
    trials.claim()
    assert evaluate(trials, 0, step) == outcome


def test_trials_claimed_again_is_the_same_trial(run: RunFolder) -> None:
    trials = make_trials(run, FakeSource([config(0)], pause_at=2))
    assert trials.claim()
    trial = trials.waiting.pop()
    assert evaluate(trials, 0, 2) is Decision.PAUSE
    assert trials.claim() and trials.waiting == [trial]


def test_trials_claim_asks_again_after_it_has_dropped(run: RunFolder) -> None:
    class Late(FakeSource):
        """Drops the paused trial 0 when it is asked, and has another trial after that."""

        def dropped(self) -> list[int]:
            gone = [0] if self.calls[-1] == "next None" and 0 not in self.by_number else []
            self._new += [config(1)] if gone else []
            self._configs[1] = config(1)
            return gone

    source = Late([config(0)])
    trials = make_trials(run, source)
    assert trials.claim() and trials.claim()
    assert source.calls == ["next 0", "next None", "end 0 PRUNED None", "next 1"]
    assert [trial.number for trial in trials.waiting] == [1], "a trial that has ended waits no longer"


def test_trials_end_stores_the_record_and_clears_the_folder(run: RunFolder) -> None:
    source = FakeSource([config(0)])
    trials = make_trials(run, source)
    trials.claim()
    trial = trials.by_number[0]
    trial.extra["mutations"] = [{"fraction": 0.5}]
    assert trial.folder.is_dir()
    trials.end(trial, Ending(state=FAIL, reason=FailReason.CRASH, message="gone"))
    (record,) = source.records
    assert (record.state, record.reason, record.message) == (FAIL, FailReason.CRASH, "gone")
    assert record.mutations == [{"fraction": 0.5}]
    assert not trial.folder.exists() and not trials.by_number and not trials.waiting
    trials.refuse_stall()


def test_trials_that_are_left_are_a_stall(run: RunFolder) -> None:
    trials = make_trials(run, FakeSource([config(3), config(0)]))
    assert trials.claim() and trials.claim()
    with pytest.raises(EngineError, match="paused trials 0, 3 neither go on nor end: the trial source has stalled"):
        trials.refuse_stall()


def test_trial_fails_when_it_is_lost_too_often(run: RunFolder) -> None:
    trials = make_trials(run, FakeSource([config(0)]))
    trials.claim()
    trial = trials.by_number[0]
    trial.losses = MOST_LOSSES
    assert not trial.lost_too_often
    trial.losses += 1
    assert trial.lost_too_often
