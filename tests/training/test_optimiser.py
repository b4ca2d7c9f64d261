from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.spec.trial import TrialTraining
from harness.training.optimiser import adamw, schedule_factor
from harness.training.weights import FlatWeights


def recipe(schedule: str, warmup: float) -> TrialTraining:
    return TrialTraining(
        learning_rate=1e-3,
        batch_size=8,
        epochs=1,
        weight_decay=0.0,
        warmup_fraction=warmup,
        schedule=schedule,
        precision="fp32",
        max_grad_norm=1.0,
        label_smoothing=0.0,
        class_weights="none",
        accumulation_steps=1,
        seed=0,
    )


def test_schedule_linear_rises_then_falls_to_zero() -> None:
    factors = [schedule_factor(step, 100, recipe("linear", 0.1)) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == 0.0
    assert max(factors) == 1.0


def test_schedule_cosine_is_half_way_in_the_middle() -> None:
    assert schedule_factor(50, 100, recipe("cosine", 0.0)) == pytest.approx(0.5)
    assert schedule_factor(0, 100, recipe("cosine", 0.0)) == 1.0


def test_schedule_constant_stays_after_warmup() -> None:
    assert [schedule_factor(step, 10, recipe("constant", 0.2)) for step in (2, 5, 9)] == [1.0, 1.0, 1.0]


def test_schedule_all_warmup_never_exceeds_one() -> None:
    factors = [schedule_factor(step, 10, recipe("linear", 1.0)) for step in range(10)]
    assert factors == sorted(factors)
    assert factors[-1] < 1.0


def places(optimiser: torch.optim.Optimizer) -> dict[str, str]:
    return {name: tensor.device.type for state in optimiser.state.values() for name, tensor in state.items()}


def test_adamw_counts_its_steps_where_the_masters_are() -> None:
    """A number on the host would be waited for in every step; a snapshot's must go back to where it was."""
    with FakeTensorMode(), torch.no_grad():
        master = torch.nn.Parameter(torch.zeros(6, device="cuda"))
        master.grad = torch.ones(6, device="cuda")
        weights = cast(FlatWeights, SimpleNamespace(masters=[master], decayed=[True]))
        optimiser = adamw(weights, recipe("linear", 0.0))
        optimiser.grad_scale = torch.ones((), device="cuda")  # type: ignore[attr-defined]
        optimiser.step()
        assert places(optimiser) == {"step": "cuda", "exp_avg": "cuda", "exp_avg_sq": "cuda"}
        saved = {
            at: {name: torch.zeros(tensor.shape) for name, tensor in state.items()}
            for at, state in optimiser.state_dict()["state"].items()
        }
        optimiser.load_state_dict({"state": saved, "param_groups": optimiser.state_dict()["param_groups"]})
        assert places(optimiser) == {"step": "cuda", "exp_avg": "cuda", "exp_avg_sq": "cuda"}


def test_adamw_divides_by_grad_scale() -> None:
    """Clipping relies on it: halved gradients, or a grad_scale of 2."""
    found = []
    for gradient, scale in ((1.0, 2.0), (0.5, 1.0)):
        torch.manual_seed(0)
        weights = FlatWeights(torch.nn.Linear(3, 2), torch.float32)
        optimiser = adamw(weights, recipe("linear", 0.0))
        for master in weights.masters:
            master.grad = torch.full_like(master, gradient)
        optimiser.grad_scale = torch.tensor(scale)  # type: ignore[attr-defined]
        optimiser.step()
        found.append([optimiser.state[master]["exp_avg"] for master in weights.masters])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
