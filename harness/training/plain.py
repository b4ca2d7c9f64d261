"""The parts of a training that have a faster form, each in its plain form.

`fast/kit.py` has the faster form of each, which trains the same but for rounding and the masks of dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from harness.training.splits import Splits
from harness.training.weights import FlatWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CutTable", "Forward", "Plain", "StraightStep"]


class CutTable(Protocol):
    """Word embeddings of which only a part is in the model."""

    weight: torch.nn.Parameter

    @property
    def num_left_out(self) -> int:
        """How many parameters are not in the model."""

    def full(self, values: torch.Tensor, decay: float) -> torch.Tensor:
        """The whole table, fp32: `values` where the model has them, the rest shrunk by `decay`."""


class StraightStep(Protocol):
    """An optimiser step made directly from the gradients that the model's parameters hold."""

    @property
    def pays(self) -> bool:
        """Whether it is faster than the usual step with the threads that this process has now."""

    def step(self, max_norm: float | None) -> None:
        """Makes one step with gradients clipped to `max_norm`, and frees the gradients."""


class Forward:
    """Forward passes of a model in training."""

    #: Memory on the device that is held besides the model.
    memory_bytes: int = 0

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    def padded_length(self, longest: int, lengths: np.ndarray, *, is_full: bool) -> int:
        """Returns the length to which a micro-batch with the longest row `longest` is padded.

        `lengths` are those of all rows; `is_full` says that it has as many rows as most micro-batches have.
        """
        return longest

    def __call__(self, inputs: Mapping[str, torch.Tensor], *, is_full: bool) -> Any:
        """The model's output for its keyword arguments, or as much of it as the task reads."""
        return self._model(**inputs)

    def forget(self) -> None:
        """Frees the memory that is held besides the model."""


class Plain:
    """The parts of one trial's training without any speed-up."""

    def __init__(self, config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> None:
        self.config, self.data, self.host, self.device = config, data, host, device

    def examples(self, split: str) -> Encoded:
        """The encoded examples of a split."""
        return encoded(self.data, self.config, split)

    def splits(self) -> Splits:
        """Returns the rows that the trial trains on and is scored on."""
        return Splits(self.config, self.data, self.examples)

    def replacements(self, template: PreTrainedModel, splits: Splits) -> dict[int, torch.nn.Module]:
        """Returns modules that replace those of `template` in its copy, by the `id` of the replaced module."""
        return {}

    def cut_table(self, model: PreTrainedModel) -> CutTable | None:
        """Returns the word embeddings of `model` if only a part of them is in it, else None."""
        return None

    def task(self, model: PreTrainedModel, splits: Splits) -> Task:
        """Returns the task that makes the model's batches of `splits`."""
        return task_of(self.config.task)

    def forward(self, model: PreTrainedModel) -> Forward:
        """Returns the forward pass of the model in training."""
        return Forward(model)

    def straight_step(self, weights: FlatWeights, optimiser: torch.optim.Optimizer) -> StraightStep | None:
        """Returns a step of `optimiser` that does not gather the gradients first; None where there is none."""
        return None
