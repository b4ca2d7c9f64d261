"""At a rung a trial that violates a constraint ranks behind those that do not, in every pruner."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialState
from harness.records.store import StudyStore
from harness.search.keepers import Keepers
from harness.search.pruners.registry import make_policy
from harness.search.source import Decision
from harness.spec.constraints import Ranking
from harness.spec.rungs import rung_fractions
from harness.spec.trial import TrialConfig
from tests.search.simulate import at, evaluation, make_spec, study_rungs, sweep

LIMIT = "peak_memory_mib <= 2000"


def row(number: int, accuracy: float, memory: float, fraction: float = 1 / 16) -> Progress:
    """An evaluation on so many rows that percents are told apart."""
    found = at(number, fraction, accuracy)
    return found.model_copy(update={"num_rows": 10_000, "metrics": found.metrics | {"peak_memory_mib": memory}})


@pytest.mark.parametrize("objectives", [("accuracy",), ("accuracy", "log_loss")])
def test_rungs_drop_the_best_score_beyond_a_limit(objectives: tuple[str, ...]) -> None:
    spec = make_spec(trials=4, constraints=(LIMIT,), objectives=objectives, confirm=None)
    policy = make_policy(spec)
    policy.expect(0, 4)
    going, stopped = [], []
    for number, (accuracy, memory) in enumerate([(0.9, 2500.0), (0.8, 1900.0), (0.7, 2600.0), (0.6, 1000.0)]):
        policy.add(number, 0, rung_fractions(spec))
        decision = policy.decide(number, row(number, accuracy, memory))
        going += [number] if decision is Decision.GO else []
        stopped += [number] if decision is Decision.STOP else []
    assert sorted([*going, *policy.promoted()]) == [1, 3]
    assert sorted([*stopped, *policy.dropped()]) == [0, 2]
    assert policy.message(0).endswith("(peak memory 2.4 GiB violates peak_memory_mib <= 2000)")


def test_rungs_rank_by_score_where_all_trials_violate_alike() -> None:
    spec = make_spec(trials=4, constraints=("accuracy >= 99%",), confirm=None)
    policy = make_policy(spec)
    policy.expect(0, 4)
    for number, accuracy in enumerate([0.6, 0.8, 0.7, 0.5]):
        policy.add(number, 0, rung_fractions(spec))
        policy.decide(number, row(number, accuracy, 1000.0))
    assert policy.promoted() == [1, 2]


@pytest.mark.parametrize(("maximize", "values"), [(True, (0.9, 0.6)), (False, (0.1, 0.4))])
def test_asha_stops_the_best_score_beyond_a_limit(maximize: bool, values: tuple[float, float]) -> None:
    objective = "accuracy" if maximize else "log_loss"
    spec = make_spec(trials=8, constraints=(LIMIT,), pruner={"name": "asha"}, objectives=(objective,))
    policy = make_policy(spec)
    decisions = []
    for number, memory in enumerate([1000.0, 1500.0, 1900.0, 1100.0, 2500.0]):
        policy.add(number, 0, study_rungs(policy))
        value = values[memory < 2000]
        found = row(number, value, memory)
        found = found.model_copy(update={"metrics": found.metrics | {objective: value}})
        decisions.append(policy.decide(number, found))
    assert decisions[-1] is Decision.STOP
    assert policy.message(4).endswith("(peak memory 2.4 GiB violates peak_memory_mib <= 2000)")


def test_median_stops_the_best_score_beyond_a_limit() -> None:
    spec = make_spec(trials=12, constraints=(LIMIT,), pruner={"name": "median"})
    policy = make_policy(spec)
    for number in range(6):
        policy.add(number, 0, study_rungs(policy))
        assert policy.decide(number, row(number, 0.5, 2500.0 if number < 2 else 1000.0, 1 / 4)) is Decision.GO
        policy.end(number, TrialState.COMPLETE)
    policy.add(6, 0, study_rungs(policy))
    assert policy.decide(6, row(6, 0.9, 2500.0, 1 / 4)) is Decision.STOP
    policy.add(7, 0, study_rungs(policy))
    assert policy.decide(7, row(7, 0.6, 1000.0, 1 / 4)) is Decision.GO


def test_keepers_keep_the_weights_of_trials_within_the_limits() -> None:
    ranking, keepers = Ranking.of(make_spec(constraints=(LIMIT,))), Keepers(1, 1, ())
    within, beyond = ranking.key(row(0, 0.6, 1000.0).metrics), ranking.key(row(1, 0.9, 2500.0).metrics)
    keepers.ended(1, 0, beyond, saved=True)
    assert keepers.wants(0, 0, within)
    keepers.ended(0, 0, within, saved=True)
    assert keepers.unneeded() == [1]


def test_search_prunes_the_trials_beyond_a_limit(new_store: Callable[..., StudyStore], folder: RunFolder) -> None:
    """Large batches need more memory, and are the best otherwise."""

    def behave(config: TrialConfig, fraction: float) -> Progress:
        found = evaluation(config, fraction, num_rows=10_000)
        memory = 100.0 * config.training.batch_size
        better = {"accuracy": found.metrics["accuracy"] / 2 + config.training.batch_size / 100}
        return found.model_copy(update={"metrics": found.metrics | better | {"peak_memory_mib": memory}})

    spec = make_spec(trials=16, constraints=(LIMIT,), sampler="random", confirm=None)
    store = new_store(rungs=rung_fractions(spec))
    sweep(spec, store, folder, behave=behave)
    complete = [record for record in store.records() if record.state is TrialState.COMPLETE]
    assert {record.params["batch_size"] for record in complete} == {16}
    messages = [record.message for record in store.records() if record.params["batch_size"] == 32]
    assert any("violates peak_memory_mib <= 2000" in message for message in messages)
