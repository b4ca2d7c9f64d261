"""What the loop asks for besides its own steps, each done the plain way.

`fast/kit.py` has a faster way for each, that trains the same but for rounding and the masks of dropout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from harness.data.encoded import Encoded
from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.base import Task
from harness.tasks.encode import encoded
from harness.training.host import Host
from harness.training.weights import FlatWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CutTable", "Forward", "Plain", "Rows", "StraightStep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one split that a trial may ask for."""

    split: str
    examples: Encoded
    rows: np.ndarray


class CutTable(Protocol):
    """Word embeddings of which only a part is in the model."""

    weight: torch.nn.Parameter

    @property
    def num_left_out(self) -> int:
        """The parameters that are not in the model."""

    def full(self, values: torch.Tensor, decay: float) -> torch.Tensor:
        """The whole table, fp32: `values` where the model has them, the rest shrunk by `decay`."""


class StraightStep(Protocol):
    """An optimiser step straight from the gradients that the model's parameters hold."""

    @property
    def pays(self) -> bool:
        """Whether it is worth taking with the threads that this process has now."""

    def step(self, max_norm: float | None) -> None:
        """One step, its gradients clipped to `max_norm`; takes the gradients."""


class Forward:
    """Forward passes of a model in training."""

    #: What it holds on the device besides the model.
    memory_bytes: int = 0

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    def padded_length(self, longest: int, lengths: np.ndarray, *, is_full: bool) -> int:
        """The length to which a micro-batch is padded whose longest row is `longest`; `lengths` are those of all rows.

        `is_full` says that it has as many rows as most micro-batches have.
        """
        return longest

    def __call__(self, inputs: Mapping[str, torch.Tensor], *, is_full: bool) -> Any:
        """The model's output for its keyword arguments, or as much of it as the task reads."""
        return self._model(**inputs)

    def forget(self) -> None:
        """Frees what it holds besides the model."""


class Plain:
    """How one trial is trained without any speed-up."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> None:
        self.config, self.data, self.host, self.device = config, data, host, device

    def examples(self, split: str) -> Encoded:
        """The encoded examples of a split."""
        return encoded(self.data, self.config, split)

    def replacements(self, template: PreTrainedModel, parts: Sequence[Rows]) -> dict[int, torch.nn.Module]:
        """Modules for a copy of `template` in the place of its own, by the `id` of those."""
        return {}

    def cut_table(self, model: PreTrainedModel) -> CutTable | None:
        """The word embeddings of `model`, if only a part of them is in it."""
        return None

    def task(self, model: PreTrainedModel, parts: Sequence[Rows]) -> Task:
        """The task that makes the model's batches of `parts`."""
        return task_of(self.config.task)

    def forward(self, model: PreTrainedModel) -> Forward:
        """Runs the model in training."""
        return Forward(model)

    def straight_step(self, weights: FlatWeights, optimiser: torch.optim.Optimizer) -> StraightStep | None:
        """Steps `optimiser` without gathering the gradients first; None where it cannot."""
        return None
