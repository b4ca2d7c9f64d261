"""Means over replays, and the names that may be asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from harness.errors import InputError
from harness.jobs.replay import REPLAYED, ReplayOptions, outcomes
from harness.records.curves import Curves, read_curves
from harness.search.samplers import SAMPLERS
from tests.search.curves import write_table

OPTIONS = ReplayOptions(pruners=("none",), samplers=("random",), num_replays=3, num_trials=8)


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Curves:
    return read_curves(write_table(tmp_path_factory.mktemp("tables") / "table.parquet"))


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid"])
def test_outcomes_of_every_sampler(curves: Curves, sampler: str) -> None:
    (outcome,) = outcomes(curves, replace(OPTIONS, samplers=(sampler,), num_replays=1))
    assert (outcome.cost.value, outcome.regret.value) == (1.0, 0.0)


@pytest.mark.parametrize("pruner", REPLAYED)
def test_outcomes_of_every_pruner(curves: Curves, pruner: str) -> None:
    (outcome,) = outcomes(curves, replace(OPTIONS, pruners=(pruner,), num_trials=16))
    assert outcome.pruner == pruner
    assert 0 <= outcome.regret.low <= outcome.regret.value <= outcome.regret.high <= 1
    assert (outcome.cost.value == 1) is (pruner == "none")
    assert 0 <= outcome.cost.low <= outcome.cost.value <= outcome.cost.high <= 1


def test_intervals_of_few_replays_stay_within_what_can_be(curves: Curves) -> None:
    """Student's interval of two costs near 1 reaches beyond 1, that of two regrets of which one is 0 below 0."""
    costs = [(0.9, 0.0), (1.0, 0.1)]
    with patch(
        "harness.jobs.replay.replay", side_effect=[Mock(cost=c, regret=r, unknown=(), unseen=()) for c, r in costs]
    ):
        (outcome,) = outcomes(curves, replace(OPTIONS, num_replays=2))
    assert (outcome.cost.high, outcome.regret.low) == (1.0, 0.0)


def test_outcomes_differ_by_seed(curves: Curves) -> None:
    (outcome,) = outcomes(curves, replace(OPTIONS, pruners=("rungs",), num_trials=16, num_replays=6))
    assert outcome.cost.low < outcome.cost.high or outcome.regret.low < outcome.regret.high


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pruners": ("rung",)}, "--pruner: 'rung' is unknown; .*did you mean 'rungs'"),
        ({"pruners": ("ray-asha",)}, "--pruner: 'ray-asha' is unknown; allowed: rungs, asha, hyperband, median, none"),
        ({"samplers": ("tpee",)}, "--sampler: 'tpee' is unknown; .*did you mean 'tpe'"),
        ({"num_replays": 0}, "--n 0: must be 1 or more"),
        ({"num_slots": 0}, "--slots 0: must be 1 or more"),
    ],
)
def test_options_refuse(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(OPTIONS, **changes).check()  # type: ignore[arg-type]


def test_options_stand_for_those_of_the_study(curves: Curves) -> None:
    options = ReplayOptions(pruners=("none",), num_replays=1)
    options.check()
    (outcome,) = outcomes(curves, options)
    assert (outcome.sampler, options.trials_of(curves)) == ("tpe", 12)
    assert replace(options, num_trials=99).trials_of(curves) == 30, "no more than there are"


def test_outcomes_of_a_run() -> None:
    """The kept run was pruned by rungs: they can be repeated, and training everything cannot be known."""
    curves = read_curves(Path(__file__).parents[1] / "kept" / "finished")
    options = ReplayOptions(pruners=("none",), samplers=("random",), num_replays=1, num_trials=len(curves.curves))
    (outcome,) = outcomes(curves, options)
    assert set(outcome.unknown) == {curve.number for curve in curves.curves if not curve.whole}
