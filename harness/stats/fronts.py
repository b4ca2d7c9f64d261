"""Ranks points of several objectives by dominance: Pareto fronts, and the crowding distance within a front."""

from __future__ import annotations

import numpy as np

__all__ = ["crowding", "fronts", "pareto_order"]


def fronts(keys: np.ndarray) -> np.ndarray:
    """Returns the front of each point [n] of `keys` [n, objectives], where lower is better; the best front is 0.

    A point is in the first front whose points, and those of later fronts, do not dominate it: none is at least as good
    in all objectives and better in one (Deb et al. 2002, section III.A).
    """
    no_worse = np.ones((len(keys), len(keys)), dtype=bool)
    for values in keys.T:
        no_worse &= values[:, None] <= values
    dominates = no_worse & ~no_worse.T
    front_of = np.full(len(keys), -1)
    left, front = np.ones(len(keys), dtype=bool), 0
    while left.any():
        best = left & ~dominates[left].any(axis=0)
        front_of[best] = front
        left &= ~best
        front += 1
    return front_of


def crowding(keys: np.ndarray) -> np.ndarray:
    """Returns the crowding distance of each point [n] of one front: how far its neighbours are apart.

    It is the sum over the objectives of the distance between the two neighbours, as a share of the front's range, and
    infinite at an end of the front (Deb et al. 2002, section III.B).
    """
    distances = np.zeros(len(keys))
    for values in keys.T:
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        spread = ranked[-1] - ranked[0] if np.isfinite(ranked).all() else 0.0
        gaps = np.full(len(keys), np.inf)
        gaps[1:-1] = (ranked[2:] - ranked[:-2]) / spread if spread else 0.0
        distances[order] += gaps
    return distances


def pareto_order(keys: np.ndarray) -> list[int]:
    """Returns the indices of the points, best first: by front, within a front by crowding distance, then by index."""
    front_of, apart = fronts(keys), np.empty(len(keys))
    for front in range(int(front_of.max(initial=-1)) + 1):
        apart[front_of == front] = crowding(keys[front_of == front])
    return [int(index) for index in np.lexsort((np.arange(len(keys)), -apart, front_of))]
