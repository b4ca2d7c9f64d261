"""Ranks of weighted rows, for metrics that compare rows with each other: ROC AUC, Spearman's correlation."""

from __future__ import annotations

import numpy as np

__all__ = ["area_under_roc", "weighted_ranks"]


def area_under_roc(weights: np.ndarray, scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Returns the area under the ROC curve of each row of `weights` [draws, rows]; equal scores count half.

    It is the share of the pairs of a positive and a negative row in which the positive one has the higher score; NaN
    where a draw has no such pair.
    """
    order, starts = _runs(scores)
    wins, losses = (
        np.add.reduceat((weights * side)[:, order], starts, axis=1) for side in (positive, ~positive.astype(bool))
    )
    below = np.cumsum(losses, axis=1) - losses / 2
    pairs = wins.sum(axis=1) * losses.sum(axis=1)
    areas: np.ndarray = np.full(len(weights), np.nan)
    np.divide((wins * below).sum(axis=1), pairs, out=areas, where=pairs > 0)
    return areas


def weighted_ranks(weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the rank of each row in each draw of `weights` [draws, rows]; equal scores have their mean rank."""
    order, starts = _runs(scores)
    totals = np.add.reduceat(weights[:, order], starts, axis=1)  # [draws, runs]
    ranks = np.cumsum(totals, axis=1) - totals / 2 + 0.5
    lengths = np.diff(starts, append=len(scores))
    row_ranks = np.empty(weights.shape)
    row_ranks[:, order] = np.repeat(ranks, lengths, axis=1)
    return row_ranks


def _runs(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows by rising score, and where each run of equal scores starts in that order."""
    order = np.argsort(scores, kind="stable")
    return order, np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
