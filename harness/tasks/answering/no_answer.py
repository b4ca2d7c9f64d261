"""Decides from where on a model gives no answer: a threshold that is tuned on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.data.encoded import Arrays
from harness.stats.answers import NO_ANSWER, agreements

__all__ = ["THRESHOLD", "best_threshold", "with_spans"]

#: The key of config.json: how far the log-probability of no answer is above the answer's from where on none is given.
THRESHOLD = "no_answer_threshold"


def with_spans(outputs: Arrays, threshold: float | None) -> dict[str, Any]:
    """Returns the outputs with `spans` [rows, 2], the answers that are given; without a threshold all are given."""
    spans = np.array(outputs["candidates"])
    if threshold is not None:
        spans[_margins(outputs) > threshold] = NO_ANSWER
    return {**outputs, "spans": spans}


def best_threshold(outputs: Arrays, targets: Arrays) -> float | None:
    """Returns the threshold with the highest mean F1, of equal ones that nearest to 0; None where no row has none."""
    is_none = np.diff(np.asarray(targets["spans"].offsets)) == 0  # type: ignore[union-attr]
    if not is_none.any():
        return None
    margins, f1 = _margins(outputs), agreements(np.asarray(outputs["candidates"]), targets)[:, 0]
    order = np.argsort(margins, kind="stable")
    # The sum of F1 where the first `count` rows in this order are answered and the others are not.
    sums = np.concatenate([[0.0], np.cumsum((f1 - is_none)[order])])
    sorted_margins = margins[order]
    edges = np.concatenate([[sorted_margins[0] - 1], sorted_margins, [sorted_margins[-1] + 1]])
    middles = (edges[:-1] + edges[1:]) / 2
    possible = np.concatenate([[True], sorted_margins[1:] > sorted_margins[:-1], [True]])
    best = np.flatnonzero(possible & (sums >= sums[possible].max() - 1e-9))
    return float(middles[best[np.argmin(np.abs(middles[best]))]])


def _margins(outputs: Mapping[str, Any]) -> np.ndarray:
    """Returns how far the log-probability of no answer is above that of the likeliest answer [rows]."""
    scores = np.asarray(outputs["scores"], dtype=np.float64)
    margins: np.ndarray = scores[:, 1] - scores[:, 0]
    return margins
