"""What a task is: how a row becomes features and targets, which model, loss, outputs and metrics it has.

Everything that differs between kinds of fine-tuning is in a task, so that nothing else asks which one it is. Modules of
tasks import torch only inside the functions that training calls, so that the coordinating process stays light.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.kinds import kind_of
from harness.spec.study import PreprocessStep
from harness.spec.tasks import TaskFacts
from harness.spec.trial import TrialConfig
from harness.stats.metric import scores

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel

    from harness.data.prepared import PreparedData

__all__ = ["Loss", "Task", "TaskBase"]


class Loss(Protocol):
    """What is minimised. Built once a trial, with what the recipe and the training rows say of it."""

    def weight(self, rows: np.ndarray) -> float:
        """What the loss of a whole batch of training examples is divided by."""

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The sum over a micro-batch, fp32; `output` is the model's, `targets` are on its device."""


class Task(Protocol):
    """One kind of supervised fine-tuning.

    `facts` are what the study's reader, the search and the report know of it. `auto` is the transformers auto class
    that reads its models, `reads` the fields of the model's output that the loss and `outputs` read, and `shown` the
    values of a prediction that a table has columns for. `TaskBase` has defaults for most of it.
    """

    facts: TaskFacts
    auto: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    shown: ClassVar[tuple[str, ...]]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the fields that a model reads."""

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """What an encoding depends on besides the rows: JSON that is hashed into the cache key."""

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Encodes the rows of one split; cleaning (and, on train, augmentation) included."""

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """The targets of prepared rows, by name."""

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """The model's keyword arguments for `rows` (without targets), made on the device of a `Resident`.

        Texts are padded to the longest of the rows, or to `length`: no less than that, and no more than the longest
        row of the split.
        """

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """The targets of `rows` on the host, padded as `collate` pads where they are ragged."""

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """The checkpoint with a head for the data at hand, fp32, on the CPU; head weights not yet seeded."""

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> Loss:
        """The loss of a trial that trains on `rows` of `encoded`."""

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """What the model says of each row of a batch, by name: tensors [rows, ...] fp32, or ragged arrays."""

    def metrics(self, outputs: Arrays, targets: Arrays) -> dict[str, float]:
        """Every metric of the task."""

    def chance(self, data: PreparedData) -> dict[str, float]:
        """What a model that has learned nothing has on validation, by metric, as far as that is known."""

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Simple models that a fine-tuned one must beat: of each a name, and by other split its outputs."""

    def show(self, row: Mapping[str, Any]) -> str:
        """A row as a person reads it, for the list of errors."""

    def summary(self, labels: Sequence[str]) -> str:
        """What its models do, as the beginning of a sentence: "Texts into 2 classes (a, b)"."""

    def usage(self, folder: str) -> str:
        """Python that loads an export from `folder` with plain transformers; empty where there is none."""

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes what inference needs beside the weights: tokenizer or image processor files."""

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes raw rows (the fields `inputs`) with the processor of an exported model; there are no targets."""

    def predict(self, outputs: Arrays, row: int, labels: Sequence[str]) -> dict[str, Any]:
        """What is said of one row, as JSON: values by name, and mappings of values."""


class TaskBase:
    """The parts of a task that follow from its facts. `reads` and `shown` are those of a model with one `logits`."""

    facts: TaskFacts
    reads: ClassVar[tuple[str, ...]] = ("logits",)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the fields that are no target."""
        return tuple(field.name for field in self.facts.fields if not field.target)

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """The column of the target, under the name that its kind has for it."""
        target = self.facts.target
        if target is None:
            return {}
        kind = kind_of(target)
        return {kind.target: frame[target.name].to_numpy(dtype=kind.dtype)}

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """The dense targets of `rows`, real numbers as fp32; there is nothing to pad."""
        import torch

        taken = {name: torch.from_numpy(np.asarray(array)[rows]) for name, array in encoded.targets.items()}
        return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in taken.items()}

    def metrics(self, outputs: Arrays, targets: Arrays) -> dict[str, float]:
        """Every metric of the facts."""
        return scores(self.facts.metrics, outputs, targets)

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Nothing: every value counts as better than a guess."""
        return {}

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """None."""
        return iter(())

    def summary(self, labels: Sequence[str]) -> str:
        """The rows, and the target."""
        return f"{self.facts.inputs.capitalize()} to {self.facts.target.name if self.facts.target else 'learn'}"

    def usage(self, folder: str) -> str:
        """None."""
        return ""
