"""Ranks of weighted rows, for metrics that compare rows with each other: ROC AUC, Spearman's correlation."""

from __future__ import annotations

import numpy as np

__all__ = ["area_under_roc", "weighted_ranks"]

_MANY_DRAWS = 500


def area_under_roc(weights: np.ndarray, scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Returns the area under the ROC curve of each row of `weights` [draws, rows]; equal scores count half.

    It is the share of the pairs of a positive and a negative row in which the positive one has the higher score; NaN
    where a draw has no such pair.
    """
    is_positive = np.asarray(positive, dtype=bool)
    order = np.argsort(scores, kind="stable")
    winners, losers = order[is_positive[order]], order[~is_positive[order]]
    below, up_to = (np.searchsorted(scores[losers], scores[winners], side=side) for side in ("left", "right"))
    columns = weights.T  # a row of the split lies in one piece where the draws come from `resampling`
    won, lost = columns[winners], _running_sums(columns[losers])
    beaten = lost[below] if np.array_equal(below, up_to) else (lost[below] + lost[up_to]) / 2
    pairs = won.sum(axis=0) * lost[-1]
    areas: np.ndarray = np.full(len(weights), np.nan)
    np.divide(np.einsum("ij,ij->j", won, beaten), pairs, out=areas, where=pairs > 0)
    return areas


def _running_sums(columns: np.ndarray) -> np.ndarray:
    """Returns the sum of the first 0, 1, 2, ... rows [rows + 1, draws]."""
    sums = np.zeros((len(columns) + 1, columns.shape[1]))
    if columns.shape[1] < _MANY_DRAWS:
        np.cumsum(columns, axis=0, out=sums[1:])
        return sums
    for row, added in enumerate(columns):  # numpy's sum along the first axis takes three times as long
        np.add(sums[row], added, out=sums[row + 1])
    return sums


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
