"""AdamW with its parameter groups, and the schedule over the full horizon.

Knows nothing of models beyond their flat weights.
"""

from __future__ import annotations

import math

import torch

from harness.spec.trial import TrialTraining
from harness.training.weights import FlatWeights

__all__ = ["adamw", "schedule_factor"]

# The decoupled-weight-decay defaults of the field (Loshchilov and Hutter 2019; torch.optim.AdamW).
BETAS = (0.9, 0.999)
EPSILON = 1e-8


def adamw(weights: FlatWeights, recipe: TrialTraining) -> torch.optim.AdamW:
    """AdamW over the masters; biases and norms are not decayed.

    Fused, it counts its steps and divides by `grad_scale` on the device of the masters, so that no step waits for it.
    """
    groups = [
        {"params": [master], "weight_decay": recipe.weight_decay if decayed else 0.0}
        for master, decayed in zip(weights.masters, weights.decayed, strict=True)
    ]
    # Not capturable: that is for steps within a CUDA graph; fused it changes nothing, and outside of one torch warns.
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS, eps=EPSILON, fused=True)


def schedule_factor(step: int, total_steps: int, recipe: TrialTraining) -> float:
    """The share of the learning rate at `step` (0-based) of `total_steps`.

    Rises linearly over `warmup_fraction`, then falls linearly or as half a cosine to 0, or stays. Always defined on
    the full horizon, so that a trial stopped early saw the schedule that a full one sees.
    """
    warmup = math.ceil(total_steps * recipe.warmup_fraction)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return 1.0
    left = (total_steps - step) / max(1, total_steps - warmup)
    return left if recipe.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))
