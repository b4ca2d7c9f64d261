"""Metrics of each user's rows: the area under their ROC curve, and how far up in a list of ten clicked items are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["by_user", "ndcg_of", "recall_of", "user_areas"]

#: So many items are recommended.
TOP = 10


def user_areas(users: np.ndarray, scores: np.ndarray, clicked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the number of each row's user from 0 on [rows], and the area under the ROC curve of each [users].

    Equal scores count half; NaN for a user with clicks alone, or without any.
    """
    names, users = np.unique(users, return_inverse=True)
    order = np.lexsort((scores, users))
    user, score, click = users[order], scores[order], clicked[order].astype(float)
    is_new = np.concatenate([[True], (user[1:] != user[:-1]) | (score[1:] != score[:-1])])
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], len(order))
    first = np.searchsorted(user, np.arange(len(names)))
    run = np.cumsum(is_new) - 1
    rank = ((starts + ends + 1) / 2)[run] - first[user]  # from 1 on, the mean of equal scores
    clicks, rows = np.bincount(user, click), np.bincount(user)
    wins = np.bincount(user, click * rank) - clicks * (clicks + 1) / 2
    pairs = clicks * (rows - clicks)
    return users, np.divide(wins, pairs, out=np.full(len(names), np.nan), where=pairs > 0)


def by_user(
    users: np.ndarray, ranks: np.ndarray, value_of: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Returns the value of each row's user, and 1, both divided by the user's rows: sums over rows are over users.

    Users without a clicked item that could be recommended have 0 and 0.

    Args:
        users: the number of each row's user [rows].
        ranks: the place of each clicked item, 0 for other rows [rows].
        value_of: returns what each rank adds to its user, given ranks from 1 on and how many the user has [clicked].
    """
    users = np.unique(users, return_inverse=True)[1]
    clicked = np.asarray(ranks) > 0
    counts = np.bincount(users, clicked)
    added = value_of(np.asarray(ranks)[clicked], counts[users[clicked]])
    values = np.bincount(users[clicked], added, minlength=len(counts))
    shares = 1 / np.bincount(users)
    return np.stack([(values * shares)[users], ((counts > 0) * shares)[users]], axis=1)


def ndcg_of(ranks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the gain of each rank up to ten, as a share of what the user's clicked items give at the top."""
    gains = 1 / np.log2(np.arange(TOP) + 2)
    ideal = np.cumsum(gains)[np.minimum(counts, TOP).astype(int) - 1]
    gain: np.ndarray = np.where(ranks <= TOP, 1 / np.log2(ranks + 1.0), 0.0) / ideal
    return gain


def recall_of(ranks: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the share of its user's clicked items that each rank up to ten is."""
    share: np.ndarray = (ranks <= TOP) / counts
    return share
