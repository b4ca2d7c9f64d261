"""Statistics of answers with one class per row: confusion counts, calibration, and the surest errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.data.answers import Answers
from harness.report.lenses.base import MAX_ERRORS

__all__ = ["Calibration", "ClassScores", "Mistake", "calibration", "mistakes"]


@dataclass(frozen=True)
class ClassScores:
    """The probabilities of one model on the rows of a split: labels [rows], probabilities [rows, num_labels]."""

    labels: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, answers: Answers) -> ClassScores:
        """The labels and probabilities of answers that the lens `classes` fits."""
        labels, probabilities = answers.targets["labels"], answers.outputs["probabilities"]
        return cls(np.asarray(labels).astype(np.int64), np.asarray(probabilities).astype(float))

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class id with the highest probability [rows]."""
        classes: np.ndarray = self.probabilities.argmax(axis=1)
        return classes

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether that is the true class [rows]."""
        hits: np.ndarray = self.predicted == self.labels
        return hits

    @cached_property
    def confidence(self) -> np.ndarray:
        """The highest probability [rows]."""
        highest: np.ndarray = self.probabilities.max(axis=1)
        return highest

    @cached_property
    def confusion(self) -> np.ndarray:
        """Rows by true class and predicted class: [num_labels, num_labels]."""
        size = self.probabilities.shape[1]
        return np.bincount(self.labels * size + self.predicted, minlength=size**2).reshape(size, size)

    def per_class(self) -> list[tuple[float, float, float, int]]:
        """Precision, recall, F1 and support of each class; NaN where a class was never predicted or has no rows."""
        hits, predicted, support = np.diag(self.confusion), self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall, f1 = hits / predicted, hits / support, 2 * hits / (predicted + support)
        return [
            (float(p), float(r), float(f), int(n)) for p, r, f, n in zip(precision, recall, f1, support, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A row that the model got wrong; `text` is empty where the run has not kept the rows."""

    row: int
    label: int
    predicted: int
    confidence: float
    text: str


def mistakes(scores: ClassScores, texts: Sequence[str], limit: int = MAX_ERRORS) -> list[Mistake]:
    """The `limit` wrong rows with the highest confidence; `texts` are the texts of all rows, or empty."""
    wrong = np.flatnonzero(~scores.correct)
    wrong = wrong[np.argsort(-scores.confidence[wrong], kind="stable")][:limit]
    return [
        Mistake(
            row=int(row),
            label=int(scores.labels[row]),
            predicted=int(scores.predicted[row]),
            confidence=float(scores.confidence[row]),
            text=texts[int(row)] if texts else "",
        )
        for row in wrong
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A reliability curve: in each bin of confidence, mean confidence, accuracy and rows; `error` is the mean gap."""

    confidence: np.ndarray
    accuracy: np.ndarray
    num_rows: np.ndarray
    error: float


def calibration(confidence: np.ndarray, correct: np.ndarray, num_bins: int = 10) -> Calibration:
    """Returns the reliability curve over `num_bins` bins with equally many rows (Nguyen and O'Connor 2015).

    `error` is the expected calibration error: the mean gap between confidence and accuracy, weighted by rows.
    """
    order = np.argsort(confidence, kind="stable")
    bins = [piece for piece in np.array_split(order, num_bins) if len(piece)]
    means = np.array([confidence[piece].mean() for piece in bins])
    hits = np.array([correct[piece].mean() for piece in bins])
    rows = np.array([len(piece) for piece in bins])
    error = float(np.abs(means - hits) @ rows / rows.sum()) if bins else float("nan")
    return Calibration(confidence=means, accuracy=hits, num_rows=rows, error=error)
