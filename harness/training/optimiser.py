"""The optimiser with its parameter groups, gradient clipping and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from harness.errors import look_up
from harness.spec.steps import warmup_steps
from harness.spec.trial import TrialTraining
from harness.training.plain import StraightStep
from harness.training.weights import FlatWeights

__all__ = ["OPTIMISERS", "SCHEDULES", "Optimiser", "OptimiserEntry", "adamw", "entry_of", "schedule_factor"]

# The decoupled-weight-decay defaults of the field (Loshchilov and Hutter 2019; torch.optim.AdamW).
BETAS = (0.9, 0.999)
EPSILON = 1e-8
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
        self.inner = entry_of(recipe).factory(weights, recipe)
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
            self.scaler.unscale_(self.inner)
            norm = torch.nn.utils.get_total_norm([m.grad for m in self._weights.masters if m.grad is not None])
            # Clipping without a pass of its own: fused AdamW divides by this while it reads the gradients.
            self.inner.grad_scale = (norm / self._recipe.max_grad_norm).clamp_(min=1.0)  # type: ignore[attr-defined]
        self.scaler.step(self.inner)
        self.scaler.update()
        self._weights.refresh()


def adamw(weights: FlatWeights, recipe: TrialTraining) -> torch.optim.AdamW:
    """Returns AdamW over the masters; biases and norms are not decayed.

    The fused form counts steps and divides by `grad_scale` on the device of the masters, so the host does not wait.
    """
    groups = [
        {"params": [master], "weight_decay": recipe.weight_decay if decayed else 0.0}
        for master, decayed in zip(weights.masters, weights.decayed, strict=True)
    ]
    # Not capturable: that is for steps within a CUDA graph; fused it changes nothing, and outside of one torch warns.
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS, eps=EPSILON, fused=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserEntry:
    """An optimiser on flat weights.

    `may_leave_rows` says that the optimiser only shrinks a row of a table that never has a gradient, by a factor that
    is known (`Optimiser.decay`), so that such rows may be left out of training.
    """

    factory: Callable[[FlatWeights, TrialTraining], torch.optim.Optimizer]
    may_leave_rows: bool


#: Each must update every number by itself: the masters are flat tensors without the shapes of the parameters.
OPTIMISERS: dict[str, OptimiserEntry] = {"adamw": OptimiserEntry(factory=adamw, may_leave_rows=True)}


def entry_of(recipe: TrialTraining) -> OptimiserEntry:
    """Returns the optimiser of a recipe: AdamW, as long as the table has no other and the study no key."""
    return OPTIMISERS["adamw"]


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
