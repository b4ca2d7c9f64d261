"""The units of a split: rows that stay together, because they have the same text or belong to one group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["cut_in_order", "units_of"]


def units_of(*columns: Sequence[str]) -> np.ndarray:
    """Returns the number of each row's unit [rows]; rows that are equal in one of the columns are in one unit."""
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, *others = (pd.factorize(np.asarray(column, dtype=object))[0] for column in columns)
    for other in others:
        size = len(first) + len(other)
        links = coo_array((np.ones(len(first), dtype=bool), (first, other + len(first))), shape=(size, size))
        first = connected_components(links, directed=False)[1][first]
    return first


def cut_in_order(units: np.ndarray, ranks: np.ndarray, shares: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Returns the row numbers of train and of each split in `shares`, in the order of `ranks` [rows].

    A unit has the place of its last row. Train has the first units, and each split has one at least where there are as
    many.
    """
    sizes = np.bincount(units)
    last = np.full(len(sizes), -1)
    np.maximum.at(last, units, ranks)
    order = np.argsort(last, kind="stable")
    ends = np.cumsum(sizes[order])
    names, parts = ["train", *shares], {}
    left, start = 1.0, 0
    for place, name in enumerate(names):
        left -= shares.get(name, 1 - sum(shares.values()))
        stop = int(np.searchsorted(ends, len(units) * (1 - left) + 0.5))
        stop = len(order) if name == names[-1] else min(max(stop, start + 1), len(order) - len(names) + place + 1)
        parts[name] = np.flatnonzero(np.isin(units, order[start:stop]))
        start = stop
    return parts
