"""The losses of tasks: their sums over a micro-batch, and the weight that a whole batch is divided by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

__all__ = [
    "CLASS_WEIGHTS",
    "IGNORED",
    "BinaryCrossEntropy",
    "CompletionCrossEntropy",
    "CrossEntropy",
    "SetLoss",
    "SpanCrossEntropy",
    "SquaredError",
    "TokenCrossEntropy",
    "balanced",
    "completion_sums",
]

#: The tag of tokens that have none.
IGNORED = -100
#: Logits of so many tokens are turned to fp32 at once.
_TOKENS_AT_ONCE = 4096


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


class SetLoss:
    """The loss that a detector has of the boxes it was given: each is assigned to one of its queries. fp32.

    A model divides by the boxes of a micro-batch, so its loss is multiplied by them; a batch is divided by all of its
    boxes. Of models whose class term is a mean over queries (DETR, YOLOS) parts add up to the whole but nearly.
    """

    def __init__(self, counts: np.ndarray) -> None:
        """`counts` [examples] are the boxes of each training example."""
        self._counts = counts

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of boxes, at least 1."""
        return max(1.0, float(self._counts[rows].sum()))

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the boxes of a micro-batch, whose labels the model was given."""
        loss: torch.Tensor = output.loss.float() * targets["num_boxes"].sum().clamp(min=1)
        return loss


class TokenCrossEntropy:
    """Cross-entropy of a tag a token, smoothed; tokens with the tag `IGNORED` have none.

    A batch is divided by its tokens that have a tag.
    """

    def __init__(self, counts: np.ndarray, smoothing: float) -> None:
        """`counts` [examples] are the tokens with a tag of each training example."""
        self._counts, self._smoothing = counts, smoothing

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of tokens with a tag, at least 1."""
        return max(1.0, float(self._counts[rows].sum()))

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the tokens of a micro-batch."""
        return functional.cross_entropy(
            output.logits.float().flatten(0, 1),
            targets["tags"].flatten(),
            ignore_index=IGNORED,
            label_smoothing=self._smoothing,
            reduction="sum",
        )


class SpanCrossEntropy:
    """The mean of the cross-entropies of where an answer starts and where it ends, over the tokens of a window.

    A batch is divided by its windows. Padding is no place for an answer.
    """

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of windows."""
        return float(len(rows))

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the windows of a micro-batch."""
        logits = torch.stack([output.start_logits, output.end_logits], dim=1).float()
        logits = logits.masked_fill(targets["padding"][:, None], torch.finfo(torch.float32).min)
        return functional.cross_entropy(logits.transpose(1, 2), targets["positions"], reduction="sum") / 2


class CompletionCrossEntropy:
    """Cross-entropy of the tokens that are learned, smoothed. A batch is divided by their number."""

    def __init__(self, counts: np.ndarray, smoothing: float) -> None:
        """`counts` [examples] are the learned tokens of each training example."""
        self._counts, self._smoothing = counts, smoothing

    def weight(self, rows: np.ndarray) -> float:
        """Returns the number of learned tokens, at least 1."""
        return max(1.0, float(self._counts[rows].sum()))

    def __call__(self, output: Any, targets: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the sum over the learned tokens of a micro-batch."""
        logits = kept_logits(output.logits, targets["kept"])
        return functional.cross_entropy(
            logits.float(), targets["tokens"], label_smoothing=self._smoothing, reduction="sum"
        )


def kept_logits(logits: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Returns the logits [tokens, vocabulary] at the places `kept` [rows, length].

    Most models have computed no others; the logits of the rest are [rows, length, vocabulary].
    """
    return logits if logits.ndim == 2 else logits[kept]


def completion_sums(logits: torch.Tensor, labels: torch.Tensor, kept: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns sums over the learned tokens of each row [rows], on the CPU: nll in nats (fp64), hits and tokens.

    Args:
        logits: see `kept_logits`.
        labels: the learned tokens of all rows, one row after the other [tokens].
        kept: true at the places whose logits are those of a learned token [rows, length].
    """
    logits, row_of = kept_logits(logits, kept), kept.nonzero()[:, 0]
    losses = [
        functional.cross_entropy(part.float(), of_part, reduction="none")
        for part, of_part in zip(logits.split(_TOKENS_AT_ONCE), labels.split(_TOKENS_AT_ONCE), strict=True)
    ]
    hits = logits.argmax(dim=-1) == labels
    at, zeros = row_of.cpu(), torch.zeros(len(kept), dtype=torch.int64)
    nll = torch.zeros(len(kept), dtype=torch.float64).index_add_(0, at, torch.cat(losses).double().cpu())
    counted = zeros.index_add(0, at, torch.ones_like(at))
    return {"nll": nll, "hits": zeros.index_add(0, at, hits.long().cpu()), "tokens": counted}
