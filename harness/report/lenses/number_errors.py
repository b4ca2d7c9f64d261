"""Errors (prediction minus truth) of answers with one number per row, and the captions of their figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.data.answers import Answers
from harness.report.kit.text import number, plural
from harness.report.lenses.base import MAX_ERRORS

__all__ = ["NumberErrors", "errors_caption", "predictions_caption"]

_MAX_POINTS = 2000
#: A mean error below this share of the largest error is shown as 0.
_ROUNDING = 1e-12
#: With fewer rows the mean error of a third of them says little.
_FEWEST_ROWS_OF_THIRDS = 30


@dataclass(frozen=True)
class NumberErrors:
    """The test rows whose prediction is a finite number: `row` is their index in the split; all arrays are [rows]."""

    row: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    num_left_out: int

    @classmethod
    def of(cls, answers: Answers) -> NumberErrors:
        """The numbers of answers that the lens `numbers` fits, in float64."""
        predicted, true = (
            np.asarray(array).astype(float) for array in (answers.outputs["predictions"], answers.targets["numbers"])
        )
        with np.errstate(over="ignore", invalid="ignore"):
            row = np.flatnonzero(np.isfinite(predicted - true))
        return cls(row, true[row], predicted[row], len(true) - len(row))

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def error(self) -> np.ndarray:
        """Predicted less true [rows]."""
        difference: np.ndarray = self.predicted - self.true
        return difference

    @cached_property
    def worst(self) -> np.ndarray:
        """Indices of the largest absolute errors, the largest first."""
        order = np.argsort(-np.abs(self.error), kind="stable")[:MAX_ERRORS]
        worst: np.ndarray = order[self.error[order] != 0]
        return worst

    @cached_property
    def drawn(self) -> np.ndarray:
        """Indices of the rows that figures show: all, or the largest errors and an even sample of the others."""
        if len(self) <= _MAX_POINTS:
            return np.arange(len(self))
        others = np.setdiff1d(np.arange(len(self)), self.worst)
        count = _MAX_POINTS - len(self.worst)
        return np.union1d(self.worst, others[np.arange(count) * len(others) // count])

    @property
    def note(self) -> str:
        """The note of the figures: which rows they leave out."""
        sentences = []
        if self.num_left_out:
            rows, has = plural(self.num_left_out, "row"), "has" if self.num_left_out == 1 else "have"
            sentences.append(f"{rows} {has} no finite prediction and cannot be drawn.")
        if len(self.drawn) < len(self):
            counts = f"Shown are {len(self.drawn):,} of {len(self):,} rows"
            sentences.append(f"{counts}: the {len(self.worst)} largest errors, and every so many of the others.")
        return " ".join(sentences)


def predictions_caption(errors: NumberErrors) -> str:
    """The caption about the size of the errors."""
    predicted, true = float(errors.predicted[0]), float(errors.true[0])
    if len(errors) == 1:
        return f"The one row is predicted as {number(predicted, 4)}; it is {number(true, 4)}."
    same = errors.predicted.min() == errors.predicted.max()
    start = f"Every row gets the same prediction, {number(predicted, 4)}. " if same else ""
    if not errors.error.any():
        return f"{start}All {len(errors):,} rows are predicted exactly."
    half, most = np.quantile(np.abs(errors.error), (0.5, 0.9), method="inverted_cdf").tolist()
    nearest_half = f"Of {len(errors):,} rows half are within {number(half)} of the truth"
    return f"{start}{nearest_half}, nine in ten within {number(most)}."


def errors_caption(errors: NumberErrors) -> str:
    """The caption about the mean error, of all rows and of the thirds with the lowest and highest predictions."""
    if len(errors) == 1:
        return f"The one error is {_signed(float(errors.error[0]))}."
    overall = f"Mean error {_mean(errors.error)}, standard deviation {number(float(errors.error.std(ddof=1)))}"
    order = np.argsort(errors.predicted, kind="stable")
    third = len(errors) // 3
    lowest, highest = order[:third], order[len(errors) - third :]
    if len(errors) < _FEWEST_ROWS_OF_THIRDS or errors.predicted[lowest[-1]] == errors.predicted[highest[0]]:
        return f"{overall}."
    low, high = (_mean(errors.error[rows]) for rows in (lowest, highest))
    return f"{overall}; {low} in the third of the rows with the lowest predictions, {high} in that with the highest."


def _mean(errors: np.ndarray) -> str:
    """The mean with its sign; a mean within rounding is 0."""
    mean = float(errors.mean())
    return _signed(mean if abs(mean) > _ROUNDING * float(np.abs(errors).max()) else 0.0)


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{number(abs(value))}" if value else "0"
