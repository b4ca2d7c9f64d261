from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.errors import InputError
from harness.spec.study.optimisers import OPTIMISERS
from harness.spec.trial import TrialTraining
from harness.training.optimiser import Optimiser, entry_of, schedule_factor, torch_optimiser
from harness.training.weights import FlatWeights


def recipe(schedule: str = "linear", warmup: float = 0.0, **fields: Any) -> TrialTraining:
    usual: dict[str, Any] = {
        "learning_rate": 1e-3,
        "batch_size": 8,
        "epochs": 1,
        "weight_decay": 0.0,
        "warmup_fraction": warmup,
        "schedule": schedule,
        "precision": "fp32",
        "max_grad_norm": 1.0,
        "label_smoothing": 0.0,
        "class_weights": "none",
        "accumulation_steps": 1,
        "seed": 0,
    }
    return TrialTraining(**(usual | fields))


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
        optimiser = torch_optimiser(weights, recipe())
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
        optimiser = torch_optimiser(weights, recipe())
        for master in weights.masters:
            master.grad = torch.full_like(master, gradient)
        optimiser.grad_scale = torch.tensor(scale)  # type: ignore[attr-defined]
        optimiser.step()
        found.append([optimiser.state[master]["exp_avg"] for master in weights.masters])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


RATE, DECAY, NUM_STEPS = 1e-2, 0.1, 3
NORMS = [None, 0.05]


def shrinking(optimiser: torch.optim.Optimizer, weights: list[torch.nn.Parameter]) -> None:
    """Has each step of `optimiser` shrink `weights` first: what decoupled weight decay is."""

    def shrink(*_: Any) -> None:
        with torch.no_grad():
            for weight in weights:
                weight.mul_(1 - RATE * DECAY)

    optimiser.register_step_pre_hook(shrink)


def plain_sgd(matrices: list[torch.nn.Parameter], vectors: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    optimiser = torch.optim.SGD([*matrices, *vectors], lr=RATE, momentum=0.9)
    shrinking(optimiser, matrices)
    return optimiser


def decayed(kind: Any) -> Callable[..., torch.optim.Optimizer]:
    """Returns what makes torch's optimiser `kind` of matrices, which are decayed, and of vectors."""
    return lambda matrices, vectors: kind(
        [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}], lr=RATE
    )


#: Each optimiser as a plain loop would have it, on the parameters of a model.
PLAIN: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": decayed(torch.optim.AdamW),
    "adafactor": decayed(torch.optim.Adafactor),
    "sgd": plain_sgd,
}


def small_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LayerNorm(8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def loss_of(model: torch.nn.Module) -> torch.Tensor:
    return model(torch.linspace(-1, 1, 24).view(4, 6)).square().mean()


class Training:
    """A model and our optimiser of it."""

    def __init__(self, name: str, model: torch.nn.Module, **fields: Any) -> None:
        fields = {"learning_rate": RATE, "weight_decay": DECAY, "schedule": "constant"} | fields
        self.model, self.weights = model, FlatWeights(model, torch.float32)
        self.optimiser = Optimiser(self.weights, recipe(optimizer=name, **fields), NUM_STEPS, torch.device("cpu"))

    def step(self, at: int, loss: torch.Tensor) -> None:
        self.optimiser.scaler.scale(loss).backward()
        self.optimiser.gather(is_first=True, is_last=True)
        self.optimiser.step(at)


@pytest.mark.parametrize("max_norm", NORMS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_are_those_of_a_plain_loop(name: str, precision: str, max_norm: float | None) -> None:
    """With fp16's loss scaling too: it is taken out before gradients are clipped."""
    mine = Training(name, small_model(), precision=precision, max_grad_norm=max_norm)
    model = small_model()
    parameters = list(model.parameters())
    plain = PLAIN[name]([p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1])
    for step in range(NUM_STEPS):
        mine.step(step, loss_of(mine.model))
        plain.zero_grad()
        loss_of(model).backward()
        if max_norm is not None:
            assert torch.nn.utils.clip_grad_norm_(parameters, max_norm) > max_norm
        plain.step()
    for ours, theirs in zip(mine.model.parameters(), parameters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("max_norm", NORMS)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_fp16_leaves_out_a_step_whose_gradients_overflow(name: str, max_norm: float | None) -> None:
    mine = Training(name, small_model(), precision="fp16", max_grad_norm=max_norm)
    mine.step(0, loss_of(mine.model))
    before, scale = mine.weights.copy(), mine.optimiser.scaler.get_scale()
    mine.step(1, loss_of(mine.model) * 1e38)
    for tensor, old in zip(mine.weights.copy().values(), before.values(), strict=True):
        assert torch.equal(tensor, old)
    assert mine.optimiser.scaler.get_scale() < scale
    mine.step(2, loss_of(mine.model))
    after = mine.weights.copy()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
    assert not any(torch.equal(tensor, old) for tensor, old in zip(after.values(), before.values(), strict=True))


@pytest.mark.parametrize("name", [name for name, entry in OPTIMISERS.items() if entry.may_leave_rows])
def test_row_without_a_gradient_shrinks_by_the_decay_that_is_told(name: str) -> None:
    """So that it may be left out of training and be written as if it had not been."""
    torch.manual_seed(0)
    model = torch.nn.Embedding(5, 3)
    row = model.weight[4].detach().clone()
    mine = Training(name, model, schedule="linear")
    for step in range(NUM_STEPS):
        mine.step(step, model(torch.tensor([0, 1, 2])).square().sum())
    assert mine.optimiser.decay < 1
    torch.testing.assert_close(model.weight[4].detach(), row * mine.optimiser.decay)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_memory_of_the_optimiser_is_that_of_its_moments(name: str) -> None:
    model = torch.nn.Linear(300, 200, bias=False)
    mine = Training(name, model)
    mine.step(0, model(torch.ones(1, 300)).sum())
    expected = 4 * OPTIMISERS[name].moments * 300 * 200
    assert expected <= mine.optimiser.memory_bytes <= expected + 4 * (300 + 200 + 1)


def test_unknown_optimiser_is_refused() -> None:
    with pytest.raises(InputError, match=r"training\.optimizer: 'adam' is unknown; allowed: .*did you mean 'adamw'"):
        entry_of(recipe().model_copy(update={"optimizer": "adam"}))
