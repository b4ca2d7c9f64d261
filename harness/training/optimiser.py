"""AdamW with its parameter groups, and the schedule over the full horizon.

Knows nothing of models beyond their parameters.
"""

from __future__ import annotations

import math

import torch

from harness.spec.trial import TrialTraining

__all__ = ["adamw", "schedule_factor"]

# The decoupled-weight-decay defaults of the field (Loshchilov and Hutter 2019; torch.optim.AdamW).
BETAS = (0.9, 0.999)
EPSILON = 1e-8


def adamw(model: torch.nn.Module, recipe: TrialTraining) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; biases and norms (anything with one dimension) are not decayed."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
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
