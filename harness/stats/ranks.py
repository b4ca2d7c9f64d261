"""Ranks of weighted rows, for metrics that compare rows with each other: ROC AUC, average precision, Spearman's."""

from __future__ import annotations

import numpy as np

__all__ = ["area_under_roc", "average_precision", "weighted_ranks"]

#: From so many draws on, sums run over the rows one by one.
_MANY_DRAWS = 100


def area_under_roc(weights: np.ndarray, scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Returns the area under the ROC curve of each row of `weights` [draws, rows]; equal scores count half.

    It is the share of the pairs of a positive and a negative row in which the positive one has the higher score; NaN
    where a draw has no such pair.
    """
    positive = np.asarray(positive, dtype=bool)
    columns = weights.T  # a row of the split lies in one piece of memory where the draws come from `draws`
    orders = [np.lexsort((positive, scores)), np.lexsort((~positive, scores))]
    if np.array_equal(orders[0], orders[1]):  # no positive row has the score of a negative one
        orders.pop()
    wins = np.mean([_wins(columns, order, positive[order]) for order in orders], axis=0)
    pairs = (weights @ positive) * (weights @ ~positive)
    areas: np.ndarray = np.full(len(weights), np.nan)
    np.divide(wins, pairs, out=areas, where=pairs > 0)
    return areas


def _wins(columns: np.ndarray, order: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Returns for each draw in how many pairs the negative row comes before the positive one in the `order`.

    `columns` is [rows, draws], and `positive` is in the `order`. Of many draws, numpy's running sums along the first
    axis would take twice as long.
    """
    num_draws = columns.shape[1]
    if num_draws < _MANY_DRAWS:
        rows = columns[order]
        losers = np.cumsum(np.where(positive[:, None], 0.0, rows), axis=0)
        won: np.ndarray = np.einsum("ij,ij->j", rows[positive], losers[positive])
        return won
    wins, losers, added = np.zeros(num_draws), np.zeros(num_draws), np.empty(num_draws)
    for row, is_winner in zip(order.tolist(), positive.tolist(), strict=True):
        if is_winner:
            wins += np.multiply(losers, columns[row], out=added)
        else:
            losers += columns[row]
    return wins


def average_precision(weights: np.ndarray, scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Returns the average precision of each row of `weights` [draws, rows]: NaN where a draw has no positive row.

    It is the mean precision at the scores of the positive rows; rows with equal scores are taken in together.
    """
    order, starts = _runs(-np.asarray(scores, dtype=float))
    rows = weights.T[order]
    ends = np.append(starts[1:], len(order)) - 1
    taken = np.cumsum(rows, axis=0)[ends]
    hits = np.cumsum(rows * np.asarray(positive, dtype=bool)[order, None], axis=0)[ends]
    precision = np.divide(hits, taken, out=np.zeros(hits.shape), where=taken > 0)
    added: np.ndarray = (np.diff(hits, axis=0, prepend=0.0) * precision).sum(axis=0)
    total = hits[-1]
    averages: np.ndarray = np.divide(added, total, out=np.full(len(total), np.nan), where=total > 0)
    return averages


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
