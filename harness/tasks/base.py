"""What a task is: how a row becomes features, which head and loss, which metrics and baseline.

Knows nothing of sweeps or of the training loop. Modules of tasks import torch only inside the functions
that training calls, so that the coordinating process stays light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from harness.data.encoded import Encoded
from harness.spec.study import PreprocessStep
from harness.spec.trial import TrialConfig

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel

    from harness.data.prepared import PreparedData

__all__ = ["Task"]


class Task(Protocol):
    """One kind of supervised problem. Labels are class ids 0..num_labels-1."""

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """What an encoding depends on besides the rows: JSON that is hashed into the cache key."""

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Encodes the rows of one split; cleaning (and, on train, augmentation) included."""

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """The model's keyword arguments for `rows` (without labels), made on the device of a `Resident`.

        Texts are padded to the longest of the rows, or to `length`: no less than that, and no more than the longest
        row of the split.
        """

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """The checkpoint with a head for `data.labels`, fp32, on the CPU; head weights not yet seeded."""

    def baseline(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], num_labels: int
    ) -> tuple[str, dict[str, np.ndarray]]:
        """A name, and for each other split the probabilities `[rows, num_labels]` of a simple classical model."""

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
        """Encodes raw rows (text and text_pair, or image) with the processor of an exported model; labels are 0."""
