"""What a task is: how a row becomes features and targets, which model, loss, outputs and metrics it has.

Everything that differs between kinds of fine-tuning is here, so that nothing else asks which task it is. Modules of
tasks import torch only inside the functions that training calls, so that the coordinating process stays light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from harness.data.encoded import Arrays, Encoded, Ragged
from harness.spec.study import PreprocessStep
from harness.spec.trial import TrialConfig

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel

    from harness.data.prepared import PreparedData

__all__ = ["Loss", "Task"]


class Loss(Protocol):
    """What is minimised. Built once a trial, with what the recipe and the training rows say of it."""

    def weight(self, rows: np.ndarray) -> float:
        """What the loss of a whole batch of training examples is divided by."""

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The sum over a micro-batch, fp32; `output` is the model's, `targets` are on its device."""


class Task(Protocol):
    """One kind of supervised fine-tuning.

    `auto` is the transformers auto class that reads its models, `inputs` are the columns of a row that a model reads,
    `reads` the fields of the model's output that the loss and `outputs` read, and `shown` the values of a prediction
    that a table has columns for.
    """

    name: ClassVar[str]
    auto: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    reads: ClassVar[tuple[str, ...]]
    shown: ClassVar[tuple[str, ...]]

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """What an encoding depends on besides the rows: JSON that is hashed into the cache key."""

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Encodes the rows of one split; cleaning (and, on train, augmentation) included."""

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """The targets of prepared rows, by name."""

    def strata(self, targets: Arrays) -> np.ndarray:
        """[rows]: numbers whose shares are kept when fewer rows are taken; all alike where nothing is to be kept."""

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

    def baseline(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], labels: Sequence[str]
    ) -> tuple[str, dict[str, Arrays]]:
        """A name, and for each other split the outputs of a simple classical model."""

    def show(self, row: Mapping[str, Any]) -> str:
        """A row as a person reads it, for the list of errors."""

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes what inference needs beside the weights: tokenizer or image processor files."""

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes raw rows (the columns `inputs`) with the processor of an exported model; there are no targets."""

    def predict(self, outputs: Arrays, row: int, labels: Sequence[str]) -> dict[str, Any]:
        """What is said of one row, as JSON: values by name, and mappings of values."""
