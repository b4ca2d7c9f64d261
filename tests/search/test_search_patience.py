"""Trials that patience ends: what else the search does is as if they had trained on with their best value."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord, TrialState
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from tests.search.simulate import Progress, evaluation, make_spec, quality, sweep, sweep_in_many_lives

COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED
NewStore = Callable[..., StudyStore]
TRAINING = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "batch_size": {"choices": [8, 16, 32]},
    "evaluations_per_epoch": 6,
    "warmup_fraction": 0.0,
}


def study(patience: int | None = 2, **search: object) -> StudySpec:
    return make_spec(**({"trials": 12, "sampler": "random", "training": TRAINING | {"patience": patience}} | search))


def peak(config: TrialConfig) -> float:
    """Every third trial is at its best before the last rung (1/4), another third after it."""
    return (0.1, 0.5, 1.0)[config.number % 3]


def overfits(config: TrialConfig, fraction: float) -> Progress:
    """As good as it is at its peak, and worse from there on."""
    metrics = quality(config, min(fraction, peak(config)))
    metrics["accuracy"] -= max(0.0, fraction - peak(config))
    return evaluation(config, fraction, metrics=metrics)


def stays(config: TrialConfig, fraction: float) -> Progress:
    """As good as it is at its peak, until its end."""
    return evaluation(config, fraction, metrics=quality(config, min(fraction, peak(config))))


def steps_of(store: StudyStore) -> dict[int, list[int]]:
    return {record.number: [row.step for row in record.history] for record in store.records()}


def ended(records: list[TrialRecord]) -> dict[int, TrialState]:
    return {record.number: record.state for record in records}


@pytest.mark.parametrize(("pruner", "slots"), [("rungs", 1), ("rungs", 3), ("asha", 1), ("median", 3)])
def test_ended_trials_are_complete_with_their_best_value(
    new_store: NewStore, folder: RunFolder, pruner: str, slots: int
) -> None:
    store = new_store()
    spec = study(pruner={"name": pruner})
    _, log = sweep(spec, store, folder, behave=overfits, slots=slots, rng=random.Random(slots))
    records = store.records()
    early = [record for record in records if record.out_of_patience]
    assert [record.number for record in records] == list(range(12)) and early
    assert max(log.evaluated.values()) == 1
    for record in records:
        at_peak = [row for row in record.history if row.fraction > peak(record.config) + 0.01]
        if record.out_of_patience:
            assert record.state is COMPLETE and len(at_peak) == 2 and record.history[-1].fraction < 1
            assert record.best_step == record.history[-3].step
        else:
            assert len(at_peak) < 2, "it would have been ended"
            assert record.state is PRUNED or record.history[-1].fraction == 1


@pytest.mark.parametrize("slots", [1, 3])
def test_ended_trials_take_their_places_at_rungs(new_store: NewStore, folder: RunFolder, slots: int) -> None:
    """Who else goes on is decided as if they had trained on and stayed as good."""
    patient, whole = new_store(), new_store()
    sweep(study(), patient, folder, behave=stays, slots=slots, rng=random.Random(slots))
    sweep(study(None), whole, folder, behave=stays, slots=slots, rng=random.Random(slots))
    found, expected = ended(patient.records()), ended(whole.records())
    early = {record.number for record in patient.records() if record.out_of_patience}
    assert any(number % 3 == 0 for number in early) and any(expected[number] is PRUNED for number in early)
    assert all(found[number] is COMPLETE for number in early)
    assert {number: state for number, state in found.items() if number not in early} == {
        number: state for number, state in expected.items() if number not in early
    }


def test_search_with_ended_trials_survives_restarts(new_store: NewStore, folder: RunFolder) -> None:
    store, log = sweep_in_many_lives(study(), new_store(), folder, new_store, overfits)
    assert log.kills > 3
    once = new_store()
    other = RunFolder(folder.path.parent / "once")
    other.create()
    sweep(study(), once, other, behave=overfits)
    assert ended(store.records()) == ended(once.records())
    steps = [
        {record.number: [row.step for row in record.history] for record in each.records()} for each in (store, once)
    ]
    assert steps[0] == steps[1]


def test_trial_whose_end_was_not_written_runs_again_to_it(new_store: NewStore, folder: RunFolder) -> None:
    """Its last evaluation is known; its weights died with the coordinator."""
    spec, store = study(trials=4), new_store()
    search = Search(spec, store, folder)
    config = search.next()
    assert config is not None
    log_of: list[Progress] = []
    for fraction in config.evaluate_at:
        row = overfits(config, fraction)
        is_last = fraction > peak(config) and len([each for each in log_of if each.fraction > peak(config)]) == 1
        log_of.append(row.model_copy(update={"out_of_patience": is_last}))
        search.decide(0, log_of[-1])
        if is_last:
            break
    assert log_of[-1].out_of_patience
    again = new_store(store)
    _, log = sweep(spec, again, folder, behave=overfits)
    assert log.started[0] == 0 and ended(again.records())[0] is COMPLETE
    assert [row.step for row in again.records()[0].history] == [row.step for row in log_of]
