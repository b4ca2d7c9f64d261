"""The threshold from which on a label is given, chosen so that F1 is highest."""

from __future__ import annotations

import numpy as np

__all__ = ["best_threshold"]

#: The threshold where no label is true, so that none is better than another.
DEFAULT = 0.5


def best_threshold(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Returns the threshold with the highest F1 of the decisions `probabilities >= threshold`.

    It lies in the middle between two probabilities, so that rounding does not change a decision. Of thresholds with the
    same F1 it is the highest.

    Args:
        probabilities: of any number of decisions [decisions], in 0..1.
        true: whether the label is true [decisions].
    """
    true = np.asarray(true, dtype=bool)
    if not true.any():
        return DEFAULT
    order = np.argsort(-probabilities, kind="stable")
    ranked = np.asarray(probabilities, dtype=float)[order]
    hits, given = np.cumsum(true[order]), np.arange(1, len(order) + 1)
    below = np.append(ranked[1:], -1.0)
    f1 = np.where(ranked > below, 2 * hits / (given + true.sum()), -1.0)  # equal probabilities are given together
    best = int(np.argmax(f1))
    return float((ranked[best] + max(below[best], 0.0)) / 2)
