from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from math import nan

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import FailReason
from harness.records import store as store_module
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState, record_of
from harness.records.store import StudyStore
from harness.search.axes import params_key
from harness.search.search import Search
from harness.search.source import Decision, TrialSource
from harness.spec.configure import arms, keeps_default, rung_fractions
from harness.spec.rungs import num_promoted, promoted_shares
from harness.spec.steps import step_at
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from tests.conftest import num_examples
from tests.search.simulate import Log, Simulator, evaluation, make_spec, quality, sweep

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
NewStore = Callable[..., StudyStore]


def states(records: list[TrialRecord]) -> dict[TrialState, list[int]]:
    found = defaultdict(list)
    for record in records:
        found[record.state].append(record.number)
    return dict(found)


def accuracy_at(record: TrialRecord, fraction: float) -> float:
    return next(row.metrics["accuracy"] for row in record.history if row.fraction >= fraction - 0.01)


def check_promotions(spec: StudySpec, records: list[TrialRecord], *, exact: bool) -> None:
    """At each rung of each arm nobody who stayed behind was better than somebody who went on, and as many went on.

    A default recipe that is kept goes on behind them, and does not count from there on.
    """
    ladder = rung_fractions(spec)
    shares, least = promoted_shares(spec), spec.confirm.top
    for arm in arms(spec):
        sound = [each for each in records if each.state is not FAIL and each.params.get("checkpoint", arm) == arm]
        outside: set[int] = set()
        for index in range(len(ladder)):
            rows = {each.number: row for each in sound if (row := row_at_rung(each, index)) is not None}
            reached = [each for each in sound if each.number in rows]
            ranked = sorted(reached, key=lambda each: (-rows[each.number].metrics["accuracy"], each.number))
            numbers = [each.number for each in ranked if each.number not in outside]
            promoted = {each.number for each in reached if each.history[-1].step > rows[each.number].step}
            kept = {0} & set(rows) if keeps_default(spec) else set()
            assert kept <= promoted
            quota = num_promoted(len(numbers), shares[index], least)
            places = len(promoted - kept) if not exact else quota
            best = [number for number in numbers if exact or number not in kept][:places]
            assert promoted == {*best} | kept
            most = len(numbers) + (0 if exact else len(records))
            assert places <= num_promoted(most, shares[index], least)
            outside |= kept.difference(best)


def row_at_rung(record: TrialRecord, index: int) -> Progress | None:
    """The evaluation at a rung; None where the trial did not come to it, or passes it by."""
    share = record.config.rungs[index]
    if share is None:
        return None
    return next((row for row in record.history if row.step == step_at(row.total_steps, share)), None)


@pytest.mark.parametrize("slots", [1, 3])
def test_search_breadth_first(new_store: NewStore, folder: RunFolder, slots: int) -> None:
    spec, store = make_spec(trials=12), new_store()
    _, log = sweep(spec, store, folder, slots=slots, rng=random.Random(slots))
    records = store.records()
    assert [record.number for record in records] == list(range(12))
    assert {state: len(numbers) for state, numbers in states(records).items()} == {COMPLETE: 3, PRUNED: 9}
    check_promotions(spec, records, exact=True)
    firsts = [index for index, (_, step) in enumerate(log.order) if step == 10]
    seconds = [index for index, (_, step) in enumerate(log.order) if step == 40]
    assert max(firsts) < min(seconds), "every trial reaches the first rung before any goes on"
    assert max(log.evaluated.values()) == 1


def test_search_promotes_best_first(new_store: NewStore, folder: RunFolder) -> None:
    store = new_store()
    _, log = sweep(make_spec(trials=16), store, folder)
    second_rung = [number for number, step in log.order if step == 40]
    records = {record.number: record for record in store.records()}
    assert second_rung == sorted(second_rung, key=lambda number: -accuracy_at(records[number], 1 / 16))


def test_search_default_recipe_first(new_store: NewStore, folder: RunFolder) -> None:
    search = Search(make_spec(trials=4), new_store(), folder)
    source: TrialSource = search
    config = source.next()
    assert config is not None and config.number == 0
    assert config.params == {"learning_rate": 5e-5, "batch_size": 32}


def test_search_arms_dealt_in_turn(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=9, model={"checkpoint": ["a", "b"]}), new_store()
    sweep(spec, store, folder, slots=2)
    records = store.records()
    assert [record.config.model.checkpoint for record in records] == ["a", "b"] * 4 + ["a"]
    assert [record.params["checkpoint"] for record in records] == ["a", "b"] * 4 + ["a"]
    recipe = {"learning_rate": 5e-5, "batch_size": 32}
    assert [record.params for record in records[:2]] == [{"checkpoint": name, **recipe} for name in "ab"]
    for first, second in zip(records[2:8:2], records[3:8:2], strict=True):
        assert params_key(first.params | {"checkpoint": "b"}) == params_key(second.params), "the same first points"
    check_promotions(spec, records, exact=True)


def test_search_space_exhausted(new_store: NewStore, folder: RunFolder) -> None:
    spec = make_spec(trials=10, sampler="random", training={"batch_size": {"choices": [8, 16, 32]}})
    store = new_store()
    search, _ = sweep(spec, store, folder, slots=2)
    assert search.exhausted
    assert sorted(record.params["batch_size"] for record in store.records()) == [8, 16, 32]
    assert Search(spec, new_store(store), folder).next() is None


def test_search_exhausted_arm_ends_the_wait(new_store: NewStore, folder: RunFolder) -> None:
    """Trials that wait at a rung for trials that the space cannot give go on."""
    spec = make_spec(trials=20, sampler="grid", training={"batch_size": {"choices": [8, 16, 32, 64, 128]}})
    store = new_store()
    sweep(spec, store, folder)
    assert {state: len(found) for state, found in states(store.records()).items()} == {COMPLETE: 3, PRUNED: 2}


def test_search_continues_with_more_trials(new_store: NewStore, folder: RunFolder) -> None:
    store = new_store()
    sweep(make_spec(trials=8), store, folder)
    before = store.records()
    store = new_store(store)
    _, log = sweep(make_spec(trials=16), store, folder)
    after = store.records()
    assert after[:8] == before
    assert [record.number for record in after] == list(range(16))
    assert set(log.started) == set(range(8, 16))
    ranks = sorted(after, key=lambda record: -accuracy_at(record, 1 / 16))
    promoted = [record.number for record in after[8:] if record.history[-1].fraction > 0.1]
    assert promoted == [number for number in range(8, 16) if after[number] in ranks[:8]]


def test_search_finishes_half_written_end(new_store: NewStore, folder: RunFolder) -> None:
    """The record is written before the state; a coordinator may die between the two."""
    spec, store = make_spec(trials=1), new_store()
    search = Search(spec, store, folder)
    config = search.next()
    assert config is not None
    rows = [evaluation(config, fraction) for fraction in config.evaluate_at]
    for row in rows:
        search.decide(0, row)
    store._write_record(record_of(config, COMPLETE, rows))
    assert store.load()[0].state is TrialState.RUNNING
    again = new_store(store)
    assert Search(spec, again, folder).next() is None
    assert again.load()[0].state is COMPLETE


def test_search_missing_objective_fails_trial(new_store: NewStore, folder: RunFolder) -> None:
    def behave(config: TrialConfig, fraction: float) -> Progress:
        if config.number == 2:
            return evaluation(config, fraction, metrics={"log_loss": 0.1})
        return evaluation(config, fraction)

    store = new_store()
    sweep(make_spec(trials=6), store, folder, behave=behave)
    failed = store.records()[2]
    assert (failed.state, failed.reason) == (FAIL, FailReason.CRASH)
    assert failed.message == "the evaluation at step 10 gives no objective 'accuracy'"
    assert len(states(store.records())[PRUNED]) == 2


def test_search_nan_objective_fails_trial_at_the_end(new_store: NewStore, folder: RunFolder) -> None:
    def behave(config: TrialConfig, fraction: float) -> Progress:
        metrics = quality(config, fraction) | ({"accuracy": nan} if fraction == 1 else {})
        return evaluation(config, fraction, metrics=metrics)

    store = new_store()
    sweep(make_spec(trials=2, pruner={"name": "none"}), store, folder, behave=behave)
    for record in store.records():
        assert (record.state, record.reason) == (FAIL, FailReason.NAN)
        assert record.message == "objective 'accuracy' is nan at step 160"


def test_search_failures_hold_no_place(new_store: NewStore, folder: RunFolder) -> None:
    """Of 9 trials 5 fail before the first rung: one of the 4 that reach it goes on, not two, and the default recipe."""

    def behave(config: TrialConfig, fraction: float) -> Progress | FailReason:
        return FailReason.OOM if config.number % 2 and config.number < 9 else evaluation(config, fraction)

    spec, store = make_spec(trials=9, confirm={"top": 1}), new_store()
    sweep(spec, store, folder, behave=behave)
    assert {state: len(found) for state, found in states(store.records()).items()} == {COMPLETE: 2, PRUNED: 3, FAIL: 4}
    check_promotions(spec, store.records(), exact=True)


def test_search_all_fail(new_store: NewStore, folder: RunFolder) -> None:
    store = new_store()
    sweep(make_spec(trials=5), store, folder, behave=lambda config, fraction: FailReason.DATA, slots=2)
    assert states(store.records()) == {FAIL: [0, 1, 2, 3, 4]}


def test_search_repeated_trial_keeps_its_history(new_store: NewStore, folder: RunFolder) -> None:
    """A trial that fails while its first rung is repeated keeps the evaluations that are known."""
    spec, store = make_spec(trials=1), new_store()
    Simulator(Search(spec, store, folder), folder, Log()).run(most_events=2)
    search = Search(spec, new_store(store), folder)
    config = search.next()
    assert config is not None
    search.end(record_of(config, FAIL, [], reason=FailReason.CRASH, message="gone"))
    (record,) = store.records()
    assert [row.step for row in record.history] == [10, 40]
    assert record.metrics == record.history[1].metrics


def test_search_keeps_best_and_default(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=12, pruner={"name": "none"}, confirm={"top": 2}), new_store()
    search, _ = sweep(spec, store, folder)
    records = store.records()
    saved = {record.number for record in records if record.weights}
    gone = set(search.unneeded())
    best = sorted(records, key=lambda record: (-record.metrics["accuracy"], record.number))[:2]
    assert saved - gone == {0, *(record.number for record in best)}
    assert search.unneeded() == []
    again = Search(spec, new_store(store), folder)
    assert set(again.unneeded()) == gone


@pytest.mark.parametrize("pruner", ["asha", "hyperband", "median", "none"])
def test_search_other_pruners(new_store: NewStore, folder: RunFolder, pruner: str) -> None:
    spec, store = make_spec(trials=24, sampler="random", pruner={"name": pruner}), new_store()
    sweep(spec, store, folder, slots=2)
    found = states(store.records())
    assert set(found) == {COMPLETE} if pruner == "none" else set(found) == {COMPLETE, PRUNED}
    if pruner == "asha":
        assert len(found[COMPLETE]) < 12


def test_search_two_objectives(new_store: NewStore, folder: RunFolder) -> None:
    objectives = ("accuracy", "samples_per_second")
    store = new_store(objectives=objectives)
    sweep(make_spec(trials=12, objectives=objectives), store, folder)
    values = [trial.values for trial in store.load()]
    assert len(states(store.records())[COMPLETE]) == 2, "as many as are confirmed, the default recipe among them"
    assert all(values)


# Trials that guess for a while


CHANCE = {"accuracy": 1 / 12, "log_loss": 2.485}


def guesses_for_40_steps(config: TrialConfig, fraction: float, rows: int | None = None) -> Progress:
    """Near chance, in no good order, until step 40; then as good as its params."""
    row = evaluation(config, fraction, rows, num_rows=100)
    luck = config.number * 7 % 5 / 200
    guess = {"accuracy": 1 / 12 + luck, "log_loss": 2.485 - luck}
    return row if row.step > 40 else row.model_copy(update={"metrics": row.metrics | guess})


@pytest.mark.parametrize(
    ("pruner", "rows"),
    [("rungs", 850), ("rungs", 2500), ("asha", 850), ("asha", 2500), ("hyperband", 850), ("median", 2500)],
)
def test_search_finds_the_best_of_trials_that_guess_at_first(
    new_store: NewStore, folder: RunFolder, pruner: str, rows: int
) -> None:
    """Of 162 steps no rung lies beyond the guessing (the median's do), of 471 the second does."""
    training = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": 16}
    behave = partial(guesses_for_40_steps, rows=rows)
    found = {}
    for name in ("none", pruner):
        spec, store = make_spec(trials=18, sampler="random", training=training, pruner={"name": name}), new_store()
        sweep(spec, store, folder, slots=2, rows=rows, chance=CHANCE, behave=behave)
        found[name] = store.records()
    complete = [[each for each in records if each.state is COMPLETE] for records in found.values()]
    whole, pruned = (max(records, key=lambda each: each.metrics["accuracy"]) for records in complete)
    assert (pruned.params, pruned.metrics) == (whole.params, whole.metrics)
    still_guessing = rows == 850 and pruner != "median"
    assert (PRUNED in states(found[pruner])) is not still_guessing
    assert all(each.history[-1].step > 40 for each in found[pruner])


def test_search_short_trials_run_to_their_end(new_store: NewStore, folder: RunFolder) -> None:
    """A batch size of 32 leaves 15 steps of 160 rows: such a trial is not judged, and stops no other one."""
    spec, store = make_spec(trials=24, sampler="random", confirm={"top": 1}), new_store()
    sweep(spec, store, folder, slots=2, rows=160, behave=partial(evaluation, rows=160))
    records = store.records()
    short = [each for each in records if each.params["batch_size"] == 32]
    assert {each.state for each in short} == {COMPLETE} and {each.history[-1].total_steps for each in short} == {15}
    longer = [each for each in records if each.params["batch_size"] != 32]
    first = {each.params["batch_size"]: each.history[0].step for each in longer}
    assert first == {8: 15, 16: 8}
    assert PRUNED in states(longer)
    check_promotions(spec, records, exact=True)


def test_search_same_decisions_after_restarts(new_store: NewStore, folder: RunFolder) -> None:
    spec, whole, broken = make_spec(trials=20, sampler="random"), new_store(), new_store()
    behave = partial(guesses_for_40_steps, rows=1200)
    sweep(spec, whole, folder, rows=1200, chance=CHANCE, behave=behave)
    log = Log()
    for lives in range(20):
        search = Search(spec, broken, folder, num_train_rows=1200, chance=CHANCE)
        if Simulator(search, folder, log, rows=1200, behave=behave).run(most_events=3 + lives):
            break
        broken = new_store(broken)
    assert log.kills >= 3
    outcomes = [[(each.params, each.state, each.history) for each in store.records()] for store in (whole, broken)]
    assert outcomes[0] == outcomes[1]
    assert set(states(whole.records())) == {COMPLETE, PRUNED}


def test_search_goes_on_with_trials_of_before_that_have_no_rungs_of_their_own(
    new_store: NewStore, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rungs are the study's; new ones of few steps are judged later, and with them."""
    spec, store, rows = make_spec(trials=12), new_store(), 150
    behave, ladder = partial(evaluation, rows=rows), rung_fractions(spec)
    with monkeypatch.context() as version_before:
        without = partial(TrialRecord.model_dump, mode="json", exclude={"config": {"rungs"}})
        version_before.setattr(store_module, "_json", without)
        Simulator(Search(spec, store, folder), folder, Log(), rows=rows, behave=behave).run(most_events=5)
    earlier = len(store.records())
    store = new_store(store, rungs=ladder)
    search = Search(spec, store, folder, num_train_rows=rows)
    assert Simulator(search, folder, Log(), rows=rows, behave=behave).run()
    records = store.records()
    assert [each.config.rungs == ladder for each in records] == [number < earlier for number in range(12)]
    assert set(states(records)) == {COMPLETE, PRUNED}
    assert all(each.history[0].fraction < 0.08 for each in records[:earlier])
    assert all(each.history[0].step >= 5 for each in records[earlier:])
    check_promotions(spec, records, exact=True)


# The budget. A full training takes 100 s on the simulator's clock.


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def test_search_budget_brings_best_to_its_end(new_store: NewStore, folder: RunFolder) -> None:
    spec, store, clock = make_spec(trials=100, budget={"minutes": 5}), new_store(), Clock()
    search = Search(spec, store, folder, clock=clock)
    assert Simulator(search, folder, Log(), advance=clock.advance).run()
    assert search.out_of_budget and not search.exhausted
    assert search.spent_s <= 300
    records = store.records()
    found = states(records)
    assert len(found[COMPLETE]) == 1 and FAIL not in found
    assert found[COMPLETE][0] == max(records, key=lambda record: accuracy_at(record, 1 / 16)).number
    assert 20 < len(records) < 50
    dropped_by_budget = [record for record in records if record.message == "budget"]
    assert dropped_by_budget and all(record.state is PRUNED and record.history for record in dropped_by_budget)


def test_search_budget_takes_the_best_at_the_same_rung(new_store: NewStore, folder: RunFolder) -> None:
    """A trial that is judged later because its warm-up is longer has not come further."""
    training = {"learning_rate": {"low": 1e-5, "high": 1e-3}, "warmup_fraction": [0.1, 0.02], "batch_size": 32}
    spec, clock = make_spec(trials=9, sampler="random", training=training, budget={"minutes": 3}), Clock()
    search = Search(spec, new_store(), folder, num_train_rows=2500, clock=clock)
    configs = [config for _ in range(3) if (config := search.next())]
    assert configs[0].training.warmup_fraction == 0.1
    shares = [config.rungs[0] for config in configs if config.rungs[0]]
    assert shares[0] == max(shares) > min(shares)
    for config, share, accuracy in zip(configs, shares, (0.5, 0.8, 0.6), strict=True):
        metrics = {"accuracy": accuracy, "log_loss": 1 - accuracy}
        search.decide(config.number, evaluation(config, share, 2500, metrics=metrics))
    clock.advance(100)
    assert search.next() == configs[1]
    assert search.out_of_budget


def test_search_budget_counts_all_lives(new_store: NewStore, folder: RunFolder) -> None:
    spec, store = make_spec(trials=100, budget={"minutes": 5}), new_store()
    lives, log = 0, Log()
    while True:
        clock = Clock()
        search = Search(spec, store, folder, clock=clock)
        if Simulator(search, folder, log, advance=clock.advance).run(most_events=7):
            break
        store, lives = new_store(store), lives + 1
    assert lives >= 3
    assert search.spent_s < 300 + 100, "a kill in the last training repeats it, because here no snapshot is kept"
    assert COMPLETE in states(store.records())
    assert TrialState.RUNNING not in states(store.records())


def test_search_budget_with_slots_stops_the_others(new_store: NewStore, folder: RunFolder) -> None:
    spec, store, clock = make_spec(trials=8, budget={"minutes": 4}, pruner={"name": "none"}), new_store(), Clock()
    simulator = Simulator(Search(spec, store, folder, clock=clock), folder, Log(), slots=4, advance=clock.advance)
    assert simulator.run()
    found = states(store.records())
    assert 1 <= len(found[COMPLETE]) < 4
    assert all(store.records()[number].message == "budget" for number in found[PRUNED])


def test_search_budget_prefers_a_better_value_to_more_training(new_store: NewStore, folder: RunFolder) -> None:
    """Trial 1 is better at half of its training than trial 0 at three quarters: it is the one that is finished."""
    spec, clock = make_spec(trials=4, budget={"minutes": 4}, pruner={"name": "none"}), Clock()
    search = Search(spec, new_store(), folder, clock=clock)
    configs = [config for config in (search.next(), search.next()) if config]
    for config, fraction, accuracy in zip(configs, (3 / 4, 1 / 2), (0.55, 0.77), strict=True):
        metrics = {"accuracy": accuracy, "log_loss": 1 - accuracy}
        search.decide(config.number, evaluation(config, fraction, metrics=metrics))
    clock.advance(190)  # 50 s are left, and trial 1 needs 50: it is what the search is closed for
    assert search.next() is None and search.out_of_budget
    row = evaluation(configs[1], 3 / 4, metrics={"accuracy": 0.8, "log_loss": 0.2})
    assert search.decide(1, row) is Decision.GO


def test_search_budget_lets_all_finish_that_can(new_store: NewStore, folder: RunFolder) -> None:
    """Trial 0 needs 25 s more and trial 1 50: both are trained to their ends in the time kept for the better one."""
    spec, clock = make_spec(trials=4, budget={"minutes": 4}, pruner={"name": "none"}), Clock()
    search = Search(spec, new_store(), folder, clock=clock)
    configs = [config for config in (search.next(), search.next()) if config]
    for config, fraction in zip(configs, (1 / 2, 1 / 4), strict=True):
        metrics = {"accuracy": 0.5 + config.number / 5, "log_loss": 0.5}
        search.decide(config.number, evaluation(config, fraction, metrics=metrics))
    clock.advance(160)
    assert search.next() is None and search.out_of_budget
    assert search.decide(0, evaluation(configs[0], 3 / 4)) is Decision.GO


@pytest.mark.parametrize(("minutes", "more"), [(1, False), (2, True), (None, True)])
def test_search_budget_that_is_raised_gives_more_trials(
    new_store: NewStore, folder: RunFolder, minutes: float | None, more: bool
) -> None:
    store, clock = new_store(), Clock()
    search = Search(make_spec(trials=4, budget={"minutes": 1}), store, folder, clock=clock)
    assert search.next() is not None and search.next() is not None
    clock.advance(61)
    assert search.next() is None and not search.has_time_again
    again = Search(make_spec(trials=4, budget={"minutes": minutes}), new_store(store), folder, clock=clock)
    assert again.has_time_again is more
    everything = Search(make_spec(trials=2, budget={"minutes": None}), new_store(store), folder, clock=clock)
    assert not everything.has_time_again, "all trials were begun"


def test_search_budget_spent_before_a_restart(new_store: NewStore, folder: RunFolder) -> None:
    """Nothing was evaluated and no time is left: the trials that nobody runs are failures, and the study ends."""
    spec, store = make_spec(trials=4, budget={"minutes": 1}), new_store()
    search = Search(spec, store, folder)
    search.next()
    search.next()
    store.set("spent_s", 61.0)
    again = Search(spec, new_store(store), folder)
    assert again.next() is None
    assert {(record.state, record.reason, record.message) for record in store.records()} == {
        (FAIL, FailReason.STOPPED, "budget")
    }


def test_search_budget_finalist_fails(new_store: NewStore, folder: RunFolder) -> None:
    spec, store, clock = make_spec(trials=30, budget={"minutes": 3}), new_store(), Clock()

    def behave(config: TrialConfig, fraction: float) -> Progress | FailReason:
        return FailReason.CRASH if fraction > 0.1 else evaluation(config, fraction)

    simulator = Simulator(Search(spec, store, folder, clock=clock), folder, Log(), behave=behave, advance=clock.advance)
    assert simulator.run()
    assert set(states(store.records())) == {FAIL, PRUNED}


@pytest.mark.parametrize("ends", [COMPLETE, FAIL])
def test_search_budget_over_before_anything_is_known(new_store: NewStore, folder: RunFolder, ends: TrialState) -> None:
    """The first trial to be evaluated goes on; another takes its place only when it fails."""
    spec, clock = make_spec(trials=9, budget={"minutes": 1}), Clock()
    search = Search(spec, new_store(), folder, clock=clock)
    configs = [config for config in (search.next(), search.next(), search.next()) if config]
    clock.advance(61)
    rows = [evaluation(config, 1 / 16) for config in configs]
    assert search.next() is None and search.out_of_budget
    assert search.decide(1, rows[1]) is Decision.GO
    assert search.decide(0, rows[0]) is Decision.STOP
    search.end(record_of(configs[0], PRUNED, [rows[0]]))
    search.end(record_of(configs[1], ends, [rows[1]], reason=None if ends is COMPLETE else FailReason.CRASH))
    assert search.decide(2, rows[2]) is (Decision.STOP if ends is COMPLETE else Decision.GO)


# Anything may happen


@settings(max_examples=num_examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    trials=st.integers(1, 14),
    slots=st.integers(1, 4),
    pruner=st.sampled_from(["rungs", "rungs", "rungs", "asha", "none"]),
    num_arms=st.integers(1, 2),
    failing=st.sampled_from([0.0, 0.0, 0.15]),
    deaths=st.lists(st.integers(1, 12), max_size=4),
    small_space=st.booleans(),
    rows=st.sampled_from([None, 330, 640, 3000]),
    chance=st.sampled_from([None, {"accuracy": 0.75}, {"accuracy": 0.99}]),
)
def test_search_whatever_happens(
    new_store: NewStore,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    trials: int,
    slots: int,
    pruner: str,
    num_arms: int,
    failing: float,
    deaths: list[int],
    small_space: bool,
    rows: int | None,
    chance: dict[str, float] | None,
) -> None:
    rng = random.Random(seed)
    training = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": {"choices": [8, 16, 32]}}
    if small_space:
        training["learning_rate"] = {"choices": [1e-5, 1e-4]}
    spec = make_spec(
        trials=max(trials, num_arms),
        sampler="random",
        pruner={"name": pruner},
        training=training,
        model={"checkpoint": ["a", "b"][:num_arms]},
    )
    run = RunFolder(tmp_path_factory.mktemp("life") / "run")
    run.create()

    def behave(config: TrialConfig, fraction: float) -> Progress | FailReason:
        if rng.random() < failing:
            return rng.choice([FailReason.CRASH, FailReason.NAN, evaluation(config, fraction, rows, metrics={})])
        return evaluation(config, fraction, rows)

    store, log, exhausted = new_store(), Log(), False
    for most_events in [*deaths, None]:
        search = Search(spec, store, run, num_train_rows=rows, chance=chance)
        exhausted = exhausted or search.exhausted
        simulator = Simulator(search, run, log, slots=slots, rng=rng, behave=behave, lose=failing / 3, rows=rows)
        if simulator.run(most_events):
            break
        store = new_store(store)

    records = store.records()
    assert [record.number for record in records] == list(range(len(records)))
    assert len(records) == spec.search.trials or (search.exhausted and small_space)
    assert {trial.state for trial in store.load()} <= {COMPLETE, PRUNED, FAIL}
    keys = [(record.config.model.checkpoint, params_key(record.params)) for record in records]
    assert len(set(keys)) == len(keys)
    for arm in ("a", "b")[:num_arms]:
        mine = sum(record.config.model.checkpoint == arm for record in records)
        assert search.exhausted or mine in (len(records) // num_arms, -(-len(records) // num_arms))
    for number in range(len(records)):
        evaluated = {step: times for (trial, step), times in log.evaluated.items() if trial == number}
        assert sum(evaluated.values()) <= len(evaluated) + log.kills, "each death repeats one evaluation at most"
    for record in records:
        if not any(record.config.rungs):
            assert record.state is not PRUNED, "it is too short to be judged"
    if pruner == "rungs":
        check_promotions(spec, records, exact=not failing)
