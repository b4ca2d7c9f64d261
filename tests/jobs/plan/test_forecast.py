"""What a study takes, from costs that are given; and the trials that are planned with."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from harness.jobs.plan.draws import MAX_KINDS, drawn, kind_of_step, measured_kinds, nearest
from harness.jobs.plan.forecast import Forecast, forecast, share_of_training
from harness.jobs.plan.measure import Cost
from harness.spec.study import StudySpec
from tests.search.simulate import make_spec

COST = Cost(
    start_s=1.0,
    example_s=0.1,
    row_s=0.01,
    written_s=0.0,
    saving_s=1.0,
    examples=160.0,
    memory_mib=500.0,
    parameters=2**20,
)


def told(spec: StudySpec, **more: Any) -> Forecast:
    configs = drawn(spec, 160)
    arguments: dict[str, Any] = {"rows": (100, 200), "num_slots": 1, "own_memory_mib": 100.0} | more
    return forecast(spec, configs, [COST] * len(configs), **arguments)


def unpruned(**more: Any) -> StudySpec:
    fields: dict[str, Any] = {"training": {"learning_rate": [1e-5, 1e-4], "epochs": 2}, "confirm": None, "trials": 2}
    return make_spec(pruner={"name": "none"}, **(fields | more))


def test_unpruned_search_is_the_sum_of_its_trainings() -> None:
    found = told(unpruned())
    # Two epochs of 160 examples at 0.1 s, two evaluations of 100 rows at 0.01 s, a second each to start and to save.
    training = 2 * 160 * 0.1 + 2 * 100 * 0.01 + 2.0
    assert found.search_s.value == pytest.approx(2 * training / 0.88)
    assert found.search_s.low < found.search_s.value < found.search_s.high
    assert (found.share.low, found.share.value, found.share.high) == (1.0, 1.0, 1.0)
    assert found.confirm_s.value == 0
    assert found.memory_mib == 600


def test_slots_share_the_search_and_their_memory_adds_up() -> None:
    alone, both = told(unpruned()), told(unpruned(), num_slots=2)
    assert both.search_s.value == pytest.approx(alone.search_s.value / 2)
    assert both.memory_mib - alone.memory_mib == 500


def test_confirmation_trains_further_seeds() -> None:
    few, many = (told(unpruned(confirm={"top": 2, "seeds": seeds})).confirm_s.value for seeds in (2, 3))
    assert many == pytest.approx(2 * few)


def test_answers_that_are_written_come_on_top() -> None:
    spec = unpruned()
    configs = drawn(spec, 160)
    writing = COST.__class__(**{name: getattr(COST, name) for name in COST.__slots__} | {"written_s": 2.0})
    plain, written = (
        forecast(spec, configs, [cost] * 2, rows=(100, 200), num_slots=1, own_memory_mib=0.0, written_rows=10)
        for cost in (COST, writing)
    )
    assert written.search_s.value - plain.search_s.value == pytest.approx(2 * 10 * 2.0 / 0.88)


def test_budget_ends_the_search() -> None:
    found = told(unpruned(budget={"minutes": 0.1}))
    assert found.search_s.value == found.search_s.high == 6.0


@pytest.mark.parametrize("name", ["rungs", "asha", "hyperband", "median", "ray-asha"])
def test_pruners_spend_a_part_of_full_training(name: str) -> None:
    share = share_of_training(make_spec(pruner={"name": name}, trials=16), 16)
    assert 0.2 < share.low < share.value < share.high <= 1


def test_more_trials_share_the_cost_of_the_last_two() -> None:
    shares = [share_of_training(make_spec(trials=count), count).value for count in (2, 4, 16, 64)]
    assert all(more <= fewer for fewer, more in pairwise(shares))
    assert shares[0] == 1.0


def test_planned_trials_are_those_of_the_space_with_the_default_recipe_first() -> None:
    spec = make_spec(trials=12)
    configs = drawn(spec, 160)
    assert [config.number for config in configs] == list(range(12))
    assert configs[0].params == {"learning_rate": 5e-5, "batch_size": 32}
    assert {config.training.batch_size for config in configs} == {8, 16, 32}
    assert len(drawn(unpruned(trials=9), 160)) == 2, "a space of two values has two trials"


def test_few_kinds_are_measured_and_others_take_the_nearest() -> None:
    spec = make_spec(trials=40, training={"learning_rate": 1e-4, "batch_size": {"low": 2, "high": 60}})
    configs = drawn(spec, 160)
    kinds = measured_kinds(configs)
    assert len(kinds) == MAX_KINDS < len({kind_of_step(config) for config in configs})
    for config in configs:
        gap = abs(config.training.batch_size - nearest(config, kinds).training.batch_size)
        assert gap <= max(abs(config.training.batch_size - kind.training.batch_size) for kind in kinds)
    assert all(nearest(kind, kinds) == kind for kind in kinds)


def test_params_that_change_no_step_make_no_kind() -> None:
    configs = drawn(make_spec(trials=8, training={"learning_rate": {"low": 1e-5, "high": 1e-3}}), 160)
    assert len(configs) == 8
    assert len(measured_kinds(configs)) == 1
