"""A search is replayed over known curves by the code that decides in a real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.records.curves import Curves, read_curves
from harness.search.curve_proposer import CurveProposer
from harness.search.replay import ReplayTrial, replay
from harness.spec.configure import resolve
from harness.spec.study import StudySpec
from tests.search.curves import RATES, SIZES, study, write_table


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Curves:
    return read_curves(write_table(tmp_path_factory.mktemp("tables") / "table.parquet"))


def spec(pruner: str = "rungs", **search: Any) -> StudySpec:
    return StudySpec.model_validate(study(pruner={"name": pruner}, **search))


def final(curves: Curves, number: int) -> float:
    return curves.curves[number].history[-1].metrics["accuracy"]


def test_replay_without_pruning_trains_everything_and_regrets_nothing(curves: Curves) -> None:
    done = replay(curves, spec("none"))
    assert (done.cost, done.regret, done.unknown) == (1.0, 0.0, ())


@pytest.mark.parametrize("pruner", ["rungs", "asha", "hyperband", "median"])
@pytest.mark.parametrize("slots", [1, 3])
def test_replay_with_a_pruner_costs_less(curves: Curves, pruner: str, slots: int) -> None:
    done = replay(curves, spec(pruner, sampler="random", trials=20), slots)
    assert 1 / 16 < done.cost < 1
    assert 0 <= done.regret < 0.5
    assert done == replay(curves, spec(pruner, sampler="random", trials=20), slots), "the same seed, the same replay"


def test_replay_costs_what_the_rungs_say(curves: Curves) -> None:
    """Eight trials to 1/16, five of them to 1/8, three to 1/4, one to the end."""
    some = replace(curves, chance={}, curves=tuple(curve for curve in curves.curves if curve.params["batch_size"] == 8))
    done = replay(some, StudySpec.model_validate(study(trials=8)))
    assert done.cost == pytest.approx((8 / 16 + 5 / 16 + 3 / 8 + 3 / 4) / 8, abs=5e-3)


def test_replay_draws_each_curve_once(curves: Curves) -> None:
    proposer = CurveProposer(spec(sampler="random", trials=100), curves)
    while (proposal := proposer.ask(len(proposer.curve_of), 0)) is not None:
        number = len(proposer.curve_of) - 1
        assert proposal.params == dict(proposer.curve_of[number].params)
    assert sorted(curve.number for curve in proposer.curve_of.values()) == list(range(len(RATES) * len(SIZES)))


def test_replay_tells_the_sampler_the_params_of_the_curve(curves: Curves) -> None:
    proposer = CurveProposer(spec(sampler="random"), curves)
    for number in range(3):
        proposal = proposer.ask(number, 0)
        assert proposal is not None
        assert proposer._arms[0].mirror.frozen(number).params == proposal.params == proposal.values


def test_replay_begins_with_the_curve_nearest_to_the_default_recipe(curves: Curves) -> None:
    proposer = CurveProposer(spec(), curves)
    first = proposer.ask(0, 0)
    assert first is not None and first.params["batch_size"] == 32
    assert first.params["learning_rate"] == min(RATES, key=lambda rate: max(rate / 5e-5, 5e-5 / rate))


def test_replay_of_pruned_curves_names_those_that_it_cannot_know(curves: Curves) -> None:
    """The curves of a run that was pruned: trials that this pruner keeps longer are not known."""
    cut = [
        curve if final(curves, curve.number) > 0.9 else replace(curve, history=curve.history[:3])
        for curve in curves.curves
    ]
    pruned = replace(curves, curves=tuple(cut))
    num_cut = sum(not curve.whole for curve in cut)
    assert 0 < num_cut < len(cut)
    everything = replay(pruned, spec("none", trials=30, sampler="random"))
    assert everything.unknown == tuple(curve.number for curve in cut if not curve.whole)


def test_replay_scores_early_evaluations_on_a_subset_of_the_rows(curves: Curves) -> None:
    params = dict(curves.curves[0].params)  # 1,000 steps
    config = resolve(spec(), number=4, params=params, num_train_rows=curves.num_train_rows)
    assert config.validation_rows[0] == 256
    trial = ReplayTrial.of(config, curves.curves[0])
    order = np.random.default_rng(0).permutation(400)
    first = trial.advance(order)
    assert first is not None and (first.number, first.num_rows, first.fraction) == (
        4,
        256,
        pytest.approx(1 / 16, abs=1e-2),
    )
    correct = curves.curves[0].rows[first.step]["accuracy"]
    assert first.metrics["accuracy"] == pytest.approx(correct[order[:256]].mean())
    assert first.metrics["accuracy"] != pytest.approx(correct.mean())


def test_replay_ends_when_all_curves_are_drawn(curves: Curves) -> None:
    few = replace(curves, curves=curves.curves[:5])
    assert replay(few, spec("none", trials=50)).cost == 1.0


def test_replay_does_not_look_ahead(curves: Curves) -> None:
    """Curves without early evaluations, as a run without pruning has them, say nothing of a rung at 1/16."""
    late = [replace(curve, history=tuple(p for p in curve.history if p.fraction > 0.4)) for curve in curves.curves]
    found = replay(replace(curves, curves=tuple(late)), spec(trials=12))
    assert found.unseen and not found.unknown
    whole = replay(replace(curves, curves=tuple(late)), spec("none", trials=12))
    assert (whole.unseen, whole.cost) == ((), 1.0)


def test_replay_takes_an_evaluation_near_a_rung(curves: Curves) -> None:
    curve = curves.curves[0]
    config = resolve(spec(), number=0, params=dict(curve.params), num_train_rows=curves.num_train_rows)
    total, order = curve.history[-1].total_steps, np.arange(400)
    rung = min(ReplayTrial.of(config, curve).steps)
    for step, near in ((rung // 2, True), (rung // 2 - 1, False), (rung + 1, False)):
        first = curve.history[0].model_copy(update={"step": step})
        trial = ReplayTrial.of(config, replace(curve, history=(first, curve.history[-1]), rows={}))
        assert trial.total_steps == total and (trial.advance(order) is not None) is near
        assert trial.unseen is not near
