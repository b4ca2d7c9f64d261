"""Puts the speed-ups of a trial's training together.

Without any of these lines, and the file behind it, training is the same but for rounding and the masks of dropout.
`HARNESS_PLAIN=1` in the environment switches all of them off; a trial comes out the same again only in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.data.encoded import Encoded
from harness.data.prepared import PreparedData
from harness.runtime import trains_plain
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.base import Task
from harness.tasks.encode import encoded_folder
from harness.training import device as devices
from harness.training.fast.activations import skip_frozen
from harness.training.fast.compact import CompactEmbedding, compact_table, words_of
from harness.training.fast.dropout import fast_dropouts
from harness.training.fast.graphs import CudaCapture, StepGraphs
from harness.training.fast.one_pass import one_pass
from harness.training.fast.residence import resident
from harness.training.host import Host
from harness.training.optimiser import entry_of
from harness.training.plain import CutTable, Forward, Plain, StraightStep
from harness.training.splits import Splits
from harness.training.weights import FlatWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Fast", "kit_of"]


def kit_of(config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> Plain:
    """Returns the parts of one trial's training, with or without speed-ups."""
    kind = Plain if trains_plain() else Fast
    return kind(config, data, host, device)


class Fast(Plain):
    """The parts of one trial's training with every speed-up that its study and its device allow."""

    def examples(self, split: str) -> Encoded:
        """Returns examples that are kept on the device, where the study says so."""
        examples = super().examples(split)
        if not self.config.data_on_device:
            return examples
        return resident(examples, encoded_folder(self.data, self.config, split), self.device, self.host)

    def replacements(self, template: PreTrainedModel, splits: Splits) -> dict[int, torch.nn.Module]:
        """Returns faster dropout on a CPU, and word embeddings without the unused words if they are trained."""
        modules: dict[int, torch.nn.Module] = {}
        if self.device.type == "cpu":
            modules |= fast_dropouts(template)
        words = words_of(splits.both)
        if words is not None and self._may_cut_words():
            modules |= compact_table(template, words, self.device)
        return modules

    def _may_cut_words(self) -> bool:
        # Without a checkpoint every trial draws the whole table anew.
        # A model that writes reads words that the data may not have.
        model = self.config.model
        if task_of(self.config.task).writes:
            return False
        is_trained = model.freeze == "none" and model.adapter == "none"
        return is_trained and model.checkpoint != "scratch" and entry_of(self.config.training).may_leave_rows

    def cut_table(self, model: PreTrainedModel) -> CutTable | None:
        """Returns the table that `replacements` has cut."""
        return next((part for part in model.modules() if isinstance(part, CompactEmbedding)), None)

    def task(self, model: PreTrainedModel, splits: Splits) -> Task:
        """Returns a task whose batches let the model skip its frozen layers."""
        return skip_frozen(super().task(model, splits), model, self.config, self.data, self.host, splits.both)

    def forward(self, model: PreTrainedModel) -> Forward:
        """Returns a forward pass through CUDA graphs, where the study sets them and the task reads logits alone."""
        is_recomputed = self.config.model.gradient_checkpointing  # its random states cannot be captured
        use_graphs = self.config.training.step_graphs and devices.has_step_graphs(self.device) and not is_recomputed
        if not use_graphs or task_of(self.config.task).reads != ("logits",):
            return super().forward(model)
        return StepGraphs(model, self.device, self.host.cache, CudaCapture())

    def straight_step(self, weights: FlatWeights, optimiser: torch.optim.Optimizer) -> StraightStep | None:
        """Returns the compiled pass, where it supports these weights."""
        return one_pass(weights, optimiser) if isinstance(optimiser, torch.optim.AdamW) else None
