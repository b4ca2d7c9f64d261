"""The table of optimisers: a study names one, and training makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OPTIMISERS", "OptimiserEntry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserEntry:
    """How an optimiser is made, and what it allows.

    Attributes:
        factory: the class, as `module:name`; it is called with parameter groups, `lr` and `settings`.
        settings: its other arguments.
        is_flat: it updates every number by itself, so that it may have the flat masters; if not, it has parameters in
            the shapes of the model's.
        may_leave_rows: a row of a table that never has a gradient only shrinks, in each step by the learning rate
            times the weight decay, so that such rows may be left out of training.
        moments: how many fp32 numbers it keeps of each weight.
    """

    factory: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_flat: bool
    may_leave_rows: bool
    moments: int


#: By the name that `training.optimizer` gives. Weight decay is decoupled in all of them.
OPTIMISERS: Mapping[str, OptimiserEntry] = {
    "adamw": OptimiserEntry(
        factory="torch.optim:AdamW",
        # The defaults of the field (Loshchilov and Hutter 2019). Fused, it counts steps and divides by `grad_scale` on
        # the device of the masters, so the host does not wait. Not capturable: that is for steps within a CUDA graph;
        # fused it changes nothing, and outside of one torch warns.
        settings={"betas": (0.9, 0.999), "eps": 1e-8, "fused": True},
        is_flat=True,
        may_leave_rows=True,
        moments=2,
    ),
    # The size of a step follows that of the whole tensor, rows without a gradient included.
    "adafactor": OptimiserEntry(factory="torch.optim:Adafactor", is_flat=False, may_leave_rows=False, moments=0),
    "sgd": OptimiserEntry(
        factory="harness.training.sgd:DecoupledSGD",
        settings={"momentum": 0.9},
        is_flat=True,
        may_leave_rows=True,
        moments=1,
    ),
}
