"""The losses of tasks: their sums over a micro-batch, and the weight that a whole batch is divided by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

__all__ = ["CLASS_WEIGHTS", "BinaryCrossEntropy", "CrossEntropy", "SquaredError", "balanced"]


def balanced(labels: np.ndarray, num_labels: int) -> torch.Tensor:
    """Returns weights [num_labels] inverse to the counts of the classes, with mean 1 over the rows."""
    counts = np.bincount(labels, minlength=num_labels)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.tensor(weights, dtype=torch.float32)


#: Functions of (labels of the training rows, number of classes) to class weights; None means equal weights.
CLASS_WEIGHTS: Mapping[str, Callable[[np.ndarray, int], torch.Tensor | None]] = {
    "none": lambda labels, num_labels: None,
    "balanced": balanced,
}


class CrossEntropy:
    """Cross-entropy of one class a row, smoothed, with weights by class or with equal ones (None).

    A batch is divided by its rows, or by the sum of their weights.
    """

    def __init__(
        self, labels: np.ndarray, class_weights: torch.Tensor | None, smoothing: float, device: torch.device
    ) -> None:
        """`labels` are those of all encoded training examples."""
        self._labels, self._on_host, self._smoothing = labels, class_weights, smoothing
        self._on_device = None if class_weights is None else class_weights.to(device)

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of rows, or the sum of their classes' weights."""
        if self._on_host is None:
            return float(len(rows))
        return float(self._on_host[torch.from_numpy(self._labels[rows])].sum())

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the rows of a micro-batch."""
        return functional.cross_entropy(
            output.logits.float(),
            targets["labels"],
            weight=self._on_device,
            label_smoothing=self._smoothing,
            reduction="sum",
        )


class SquaredError:
    """The squared error of one number a row, in units of `scale`**2. A batch is divided by its rows."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of rows."""
        return float(len(rows))

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the rows of a micro-batch."""
        errors = (output.logits[:, 0].float() - targets["numbers"]) / self._scale
        squares: torch.Tensor = (errors**2).sum()
        return squares


class BinaryCrossEntropy:
    """The binary cross-entropies of all labels of a row, added up. A batch is divided by its rows.

    `pos_weight` [labels] is what a true label counts against one that is not.
    """

    def __init__(self, pos_weight: np.ndarray, device: torch.device) -> None:
        self._pos_weight = torch.tensor(pos_weight, dtype=torch.float32, device=device)

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of rows."""
        return float(len(rows))

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the rows of a micro-batch."""
        return functional.binary_cross_entropy_with_logits(
            output.logits.float(), targets["label_sets"].float(), pos_weight=self._pos_weight, reduction="sum"
        )
