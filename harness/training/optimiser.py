"""The optimiser with its parameter groups, gradient clipping and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pkgutil import resolve_name

import torch

from harness.errors import look_up
from harness.spec.steps import warmup_steps
from harness.spec.study.optimisers import OPTIMISERS, OptimiserEntry
from harness.spec.trial import TrialTraining
from harness.training.plain import StraightStep
from harness.training.weights import FlatWeights

__all__ = ["SCHEDULES", "Optimiser", "entry_of", "schedule_factor", "torch_optimiser"]

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
        self._scales = [recipe.layer_decay**depth for depth in weights.depths]
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
        for group, scale in zip(self.inner.param_groups, self._scales, strict=True):
            group["lr"] = learning_rate * scale
        if self._straight is None or self._is_gathered:
            self._step()
        else:
            self._straight.step(self._recipe.max_grad_norm)
        # The embeddings, whose rows may be left out, are the deepest.
        self.decay *= 1 - learning_rate * min(self._scales, default=1.0) * self._recipe.weight_decay

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
    optimiser: torch.optim.Optimizer = resolve_name(entry.factory)(groups, lr=recipe.learning_rate, **entry.settings)
    return optimiser


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
