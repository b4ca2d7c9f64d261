"""A pruned trial has its reason and message in the study, whoever ended it and however often the search went on."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from harness.records.rundir import RunFolder
from harness.records.schema import Progress, PruneReason, TrialRecord, TrialState, record_of
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.search.source import Decision
from harness.search.watch import Watched
from harness.spec.trial import TrialConfig
from tests.search.simulate import Log, Simulator, evaluation, make_spec, sweep, sweep_in_many_lives

COMPLETE, PRUNED, RUNG = TrialState.COMPLETE, TrialState.PRUNED, PruneReason.RUNG
NewStore = Callable[..., StudyStore]
AT_FIRST = "stopped at rung 1 of 2, where trials are compared: "


def pruned(store: StudyStore) -> list[TrialRecord]:
    return [record for record in store.records() if record.state is PRUNED]


@pytest.mark.parametrize("pruner", ["rungs", "asha", "hyperband", "median"])
@pytest.mark.parametrize("slots", [1, 3])
def test_every_pruner_gives_its_reason(new_store: NewStore, folder: RunFolder, pruner: str, slots: int) -> None:
    spec, store = make_spec(trials=24, sampler="random", pruner={"name": pruner}), new_store()
    sweep(spec, store, folder, slots=slots, rng=random.Random(slots))
    found = pruned(new_store(store))
    assert found
    assert {record.reason for record in found} == {RUNG}
    num_rungs = 3 if pruner == "median" else 2
    starts = [f"stopped at rung {len(record.history)} of {num_rungs}, where " for record in found]
    assert all(record.message.startswith(start) for record, start in zip(found, starts, strict=True))
    for record in found:
        metric, value = re.findall(r"\((accuracy|log loss) ([\d.]+)", record.message)[0]
        expected = record.metrics["log_loss"] if metric == "log loss" else 100 * record.metrics["accuracy"]
        assert float(value) == pytest.approx(expected, abs=0.06)
    others = [record for record in store.records() if record.state is COMPLETE]
    assert {(record.reason, record.message) for record in others} == {(None, "")}


@pytest.mark.parametrize("pruner", ["rungs", "asha", "median"])
def test_reasons_after_restarts_are_those_of_one_life(new_store: NewStore, folder: RunFolder, pruner: str) -> None:
    spec, whole, broken = make_spec(trials=24, sampler="random", pruner={"name": pruner}), new_store(), new_store()
    sweep(spec, whole, folder)
    broken, log = sweep_in_many_lives(spec, broken, folder, new_store)
    assert log.kills >= 3
    assert pruned(whole) and {record.reason for record in pruned(broken)} == {RUNG}
    told = [[(record.number, record.message) for record in pruned(store)] for store in (whole, broken)]
    assert told[0] == told[1]


def test_trials_that_no_process_holds_are_ended_with_their_reason(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=4, confirm=None), new_store()
    search = Search(spec, store, folder)
    for config in [search.next() for _ in range(4)]:
        assert config is not None
        metrics = {"accuracy": 0.5 + 0.1 * config.number, "log_loss": 0.5 - 0.1 * config.number}
        search.decide(config.number, evaluation(config, 1 / 16, num_rows=10_000, metrics=metrics))
    again = new_store(store)
    Search(spec, again, folder).next()
    assert [(record.number, record.reason, record.message) for record in pruned(again)] == [
        (
            0,
            RUNG,
            f"{AT_FIRST}it was 4th of 4 by log loss, and only the best 2 trained on "
            "(log loss 0.500; the 2nd best had 0.300)",
        ),
        (
            1,
            RUNG,
            f"{AT_FIRST}it was 3rd of 4 by log loss, and only the best 2 trained on "
            "(log loss 0.400; the 2nd best had 0.300)",
        ),
    ]


class Clock:
    """A clock that stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_lack_of_time_keeps_its_own_words(new_store: NewStore, folder: RunFolder) -> None:
    spec, store, clock = make_spec(trials=4, budget={"minutes": 1}, pruner={"name": "none"}), new_store(), Clock()
    search = Search(spec, store, folder, clock=clock)
    configs = [config for config in (search.next(), search.next()) if config]
    clock.now += 61
    rows = [evaluation(config, 1 / 16) for config in configs]
    assert [search.decide(number, rows[number]) for number in (1, 0)] == [Decision.GO, Decision.STOP]
    record = search.end(record_of(configs[0], PRUNED, [rows[0]]))
    assert (record.reason, record.message) == (None, "budget")


def test_a_trial_that_was_pruned_before_time_was_over_keeps_that_reason(new_store: NewStore, folder: RunFolder) -> None:
    """Its engine may end it when the search is closed already."""
    spec = make_spec(trials=4, budget={"minutes": 3}, confirm=None)
    store, clock = new_store(), Clock()
    search = Search(spec, store, folder, clock=clock)
    configs = [config for config in (search.next(), search.next(), search.next()) if config]
    rows = []
    for config, accuracy in zip(configs, (0.5, 0.9, 0.8), strict=True):
        rows.append(evaluation(config, 1 / 16, metrics={"accuracy": accuracy, "log_loss": 1 - accuracy}))
        search.decide(config.number, rows[-1])
    clock.now += 150
    assert search.next() is not None and search.out_of_budget
    assert search.dropped()[0] == 0
    record = search.end(record_of(configs[0], PRUNED, [rows[0]]))
    assert record.reason is RUNG
    ranking = "it was 3rd of the 3 that had come so far by log loss, and at most 2 of all 4 train on"
    assert record.message.startswith(f"{AT_FIRST}{ranking} (log loss 0.500; the 2nd best had ")


def test_ray_gives_its_own_message(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=2, pruner={"name": "none"}), new_store()
    search = Search(spec, store, folder)
    config = search.next()
    assert config is not None
    row = evaluation(config, 1 / 16)
    search.decide(0, row)
    search.end(record_of(config, PRUNED, [row], reason=RUNG, message="rung 1 of 2: so says Ray"))
    assert [(record.reason, record.message) for record in pruned(new_store(store))] == [
        (RUNG, "rung 1 of 2: so says Ray")
    ]


class Ends:
    """A monitor that keeps what it is told of ends."""

    def __init__(self) -> None:
        self.records: list[TrialRecord] = []

    def started(self, config: TrialConfig) -> None: ...

    def progressed(self, number: int, progress: Progress) -> None: ...

    def paused(self, number: int) -> None: ...

    def ended(self, record: TrialRecord) -> None:
        self.records.append(record)


def test_monitors_are_told_the_reason(new_store: NewStore, folder: RunFolder) -> None:
    spec, store, ends = make_spec(trials=12), new_store(), Ends()
    assert Simulator(Watched(Search(spec, store, folder), ends), folder, Log()).run()  # type: ignore[arg-type]
    assert sorted(ends.records, key=lambda record: record.number) == store.records()
    assert {record.reason for record in ends.records if record.state is PRUNED} == {RUNG}
