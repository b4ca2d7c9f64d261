"""The optimiser with its parameter groups, gradient clipping and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.errors import look_up
from harness.spec.steps import warmup_steps
from harness.spec.trial import TrialTraining
from harness.training.plain import StraightStep
from harness.training.weights import FlatWeights

__all__ = ["OPTIMISERS", "SCHEDULES", "Optimiser", "OptimiserEntry", "entry_of", "schedule_factor", "torch_optimiser"]

# The decoupled-weight-decay defaults of the field (Loshchilov and Hutter 2019; torch.optim.AdamW).
BETAS = (0.9, 0.999)
EPSILON = 1e-8
MOMENTUM = 0.9
#: torch's parameter groups: each has `params` and `weight_decay`.
Groups = list[dict[str, Any]]
#: The share of the learning rate, by the share of the steps after the warm-up that are left.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda left: left,
    "cosine": lambda left: 0.5 * (1 - math.cos(math.pi * left)),
    "constant": lambda left: 1.0,
}


class Optimiser:
    """Makes the `total_steps` optimiser steps of a training.

    `decay` is the factor by which they have shrunk a weight that never had a gradient.
    """

    def __init__(
        self,
        weights: FlatWeights,
        recipe: TrialTraining,
        total_steps: int,
        device: torch.device,
        straight_step: Callable[[FlatWeights, torch.optim.Optimizer], StraightStep | None] = lambda *_: None,
    ) -> None:
        """`straight_step` returns a step that needs no gathered gradients, or None."""
        self.inner = torch_optimiser(weights, recipe)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.decay = 1.0
        self._weights, self._recipe, self._total_steps = weights, recipe, total_steps
        self._straight = straight_step(weights, self.inner)
        self._is_gathered = False

    def gather(self, *, is_first: bool, is_last: bool) -> None:
        """Gathers the gradients of a micro-batch, unless it is a whole batch and a straight step reads them."""
        self._is_gathered = not (is_first and is_last and self._straight is not None and self._straight.pays)
        if self._is_gathered:
            self._weights.gather(accumulate=not is_first)

    def step(self, step: int) -> None:
        """Makes step `step` (0-based)."""
        learning_rate = self._recipe.learning_rate * schedule_factor(step, self._total_steps, self._recipe)
        for group in self.inner.param_groups:
            group["lr"] = learning_rate
        if self._straight is None or self._is_gathered:
            self._step()
        else:
            self._straight.step(self._recipe.max_grad_norm)
        self.decay *= 1 - learning_rate * self._recipe.weight_decay

    def _step(self) -> None:
        if self._recipe.max_grad_norm is not None:
            self._clip(self._recipe.max_grad_norm)
        self.scaler.step(self.inner)
        self.scaler.update()
        self._weights.refresh()

    def _clip(self, max_norm: float) -> None:
        self.scaler.unscale_(self.inner)
        gradients = [master.grad for master in self._weights.masters if master.grad is not None]
        too_large = (torch.nn.utils.get_total_norm(gradients) / max_norm).clamp_(min=1.0)
        if self.inner.defaults.get("fused"):
            # Clipping without a pass of its own: a fused optimiser divides by this while it reads the gradients.
            self.inner.grad_scale = too_large  # type: ignore[attr-defined]
        else:
            torch._foreach_div_(gradients, too_large)

    @property
    def memory_bytes(self) -> int:
        """The memory of what the optimiser keeps between steps."""
        tensors = [tensor for state in self.inner.state.values() for tensor in state.values()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class DecoupledSGD(torch.optim.SGD):
    """SGD whose weight decay shrinks the weights and is no part of the gradients (Loshchilov and Hutter 2019, SGDW)."""

    def __init__(self, groups: Groups, learning_rate: float) -> None:
        decoupled = [{**group, "weight_decay": 0.0, "decoupled_decay": group["weight_decay"]} for group in groups]
        super().__init__(decoupled, lr=learning_rate, momentum=MOMENTUM)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Makes one step."""
        for group in self.param_groups:
            if group["decoupled_decay"]:
                torch._foreach_mul_(group["params"], 1 - group["lr"] * group["decoupled_decay"])
        return super().step(closure)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserEntry:
    """How an optimiser is made from parameter groups and a learning rate, and what it allows.

    Attributes:
        factory: makes the optimiser.
        is_flat: it updates every number by itself, so that it may have the flat masters; if not, it has parameters in
            the shapes of the model's.
        may_leave_rows: a row of a table that never has a gradient only shrinks, in each step by the learning rate
            times the weight decay (`Optimiser.decay`), so that such rows may be left out of training.
        moments: how many fp32 numbers it keeps of each weight.
    """

    factory: Callable[[Groups, float], torch.optim.Optimizer]
    is_flat: bool
    may_leave_rows: bool
    moments: int


OPTIMISERS: Mapping[str, OptimiserEntry] = {
    "adamw": OptimiserEntry(
        # Fused, it counts steps and divides by `grad_scale` on the device of the masters, so the host does not wait.
        # Not capturable: that is for steps within a CUDA graph; fused it changes nothing, and outside of one torch
        # warns.
        factory=lambda groups, rate: torch.optim.AdamW(groups, lr=rate, betas=BETAS, eps=EPSILON, fused=True),
        is_flat=True,
        may_leave_rows=True,
        moments=2,
    ),
    # The size of a step follows that of the whole tensor, rows without a gradient included.
    "adafactor": OptimiserEntry(factory=torch.optim.Adafactor, is_flat=False, may_leave_rows=False, moments=0),
    "sgd": OptimiserEntry(factory=DecoupledSGD, is_flat=True, may_leave_rows=True, moments=1),
}


def entry_of(recipe: TrialTraining) -> OptimiserEntry:
    """Returns the optimiser of a recipe.

    Raises:
        InputError: there is no such optimiser.
    """
    return look_up(OPTIMISERS, recipe.optimizer, "training.optimizer")


def torch_optimiser(weights: FlatWeights, recipe: TrialTraining) -> torch.optim.Optimizer:
    """Returns torch's optimiser of a recipe over the weights; biases and norms are not decayed."""
    entry = entry_of(recipe)
    params = [[master] for master in weights.masters] if entry.is_flat else weights.shaped()
    decays = [recipe.weight_decay if decayed else 0.0 for decayed in weights.decayed]
    groups = [{"params": part, "weight_decay": decay} for part, decay in zip(params, decays, strict=True)]
    return entry.factory(groups, recipe.learning_rate)


def schedule_factor(step: int, total_steps: int, recipe: TrialTraining) -> float:
    """Returns the share of the learning rate at `step` (0-based) of `total_steps`.

    It rises linearly over `warmup_fraction`, then falls linearly or as half a cosine to 0, or stays. `total_steps` is
    always the full training, so that a trial that is pruned has had the same rates as one that is not.

    Raises:
        InputError: there is no such schedule.
    """
    schedule = look_up(SCHEDULES, recipe.schedule, "training.schedule")
    warmup = warmup_steps(total_steps, recipe.warmup_fraction)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return schedule((total_steps - step) / max(1, total_steps - warmup))
