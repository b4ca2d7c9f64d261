"""The metric of resamples of the rows, and of the rows without some of them, whatever the metric.

Rows, or groups of rows that belong together (a user's clicks, a passage's questions), are the units that are drawn with
replacement; the metric of each draw is computed by its own formula (Efron 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from harness.stats.metric import Arrays, Metric, num_rows

__all__ = ["left_out", "resampled", "unit_numbers"]

_NUM_RESAMPLES = 2000
_FEWEST_RESAMPLES = 200
_MOST_LEFT_OUT = 200
_MAX_NUMBERS = 4_000_000  # in one piece of work: 32 MB
_MAX_OUTPUTS = 1e8  # numbers that are ranked in all resamples together


def unit_numbers(num_rows: int, groups: np.ndarray | None) -> np.ndarray:
    """Returns the number of each row's unit, from 0 on: of its group in `groups` [rows], or of the row itself."""
    return np.arange(num_rows) if groups is None else np.unique(groups, return_inverse=True)[1]


def resampled(
    metric: Metric, models: Sequence[Arrays], targets: Arrays, groups: np.ndarray | None, seed: int
) -> np.ndarray:
    """Returns the metric of each model in each resample [draws, models]; all models have the same resamples."""
    group_of = None if groups is None else np.unique(groups, return_inverse=True)[1]
    if metric.row_stats is not None:
        return _of_row_stats(metric, [metric.row_stats(outputs, targets) for outputs in models], group_of, seed)
    return _of_values(metric, models, targets, group_of, seed)


def left_out(metric: Metric, outputs: Arrays, targets: Arrays, unit_of: np.ndarray, seed: int) -> np.ndarray:
    """Returns the metric without each unit of rows; of many units, without each of 200 random blocks of them."""
    num_units = int(unit_of.max()) + 1
    num_blocks = min(num_units, _MOST_LEFT_OUT)
    block_of = (np.random.default_rng(seed).permutation(num_units) % num_blocks)[unit_of]
    if metric.row_stats is not None and metric.of_sums is not None:
        added = _summed(metric.row_stats(outputs, targets), block_of)
        return metric.of_sums(added.sum(axis=0) - added)
    if metric.value is None:
        raise ValueError(f"{metric.name} is measured; it cannot be computed from outputs")
    blocks = np.array_split(np.arange(num_blocks), len(_pieces(len(block_of), num_blocks)))
    return np.concatenate(
        [metric.value(outputs, targets, (block_of[:, None] != piece).astype(float).T) for piece in blocks]
    )


def _of_row_stats(
    metric: Metric, row_stats: Sequence[np.ndarray], group_of: np.ndarray | None, seed: int
) -> np.ndarray:
    """Computes the sums of a resample: how often each unit (a row, a group) is drawn, times what it adds."""
    if metric.of_sums is None:
        raise ValueError(f"metric '{metric.name}' has row_stats and no of_sums")
    width = row_stats[0].shape[1]
    units = np.concatenate(row_stats, axis=1)
    if group_of is not None:
        units = _summed(units, group_of)
    values = []
    for counts, added in _drawn_units(units, seed):
        sums = (counts @ added).reshape(len(counts), len(row_stats), width)
        values.append(metric.of_sums(sums))
    return np.concatenate(values)


def _summed(row_stats: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """Returns what each group adds [groups, k]."""
    exact = row_stats.dtype.kind in "bui"
    sums = np.zeros((int(group_of.max()) + 1, row_stats.shape[1]), dtype=np.int64 if exact else np.float64)
    np.add.at(sums, group_of, row_stats)
    return sums


def _drawn_units(units: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields pieces of the resamples: how often a distinct unit is drawn [draws, units], and what it adds [units, k].

    Whole numbers (hits, counts of classes) make few distinct units, and a resample is one multinomial draw of them.
    """
    if units.dtype.kind not in "bui":
        for counts in _weights(len(units), _NUM_RESAMPLES, seed):
            yield counts, units.astype(float)
        return
    distinct_units, times = _distinct(units)
    rng = np.random.default_rng(seed)
    for size in _pieces(max(distinct_units.shape), _NUM_RESAMPLES):
        yield rng.multinomial(len(units), times / len(units), size=size).astype(float), distinct_units.astype(float)


def _distinct(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct rows of `units`, and how often each occurs; compares bytes, which is quick for wide rows."""
    packed = np.ascontiguousarray(units)
    keys = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1]))).ravel()
    _, first, times = np.unique(keys, return_index=True, return_counts=True)
    return units[first[::-1]], times[::-1]


def _of_values(
    metric: Metric,
    models: Sequence[Arrays],
    targets: Arrays,
    group_of: np.ndarray | None,
    seed: int,
) -> np.ndarray:
    if metric.value is None:
        raise ValueError(f"{metric.name} is measured; it cannot be computed from outputs")
    num_units = num_rows(targets) if group_of is None else int(group_of.max()) + 1
    # Ranking many outputs costs seconds: fewer resamples then.
    size = sum(array.size for array in models[0].values())
    total = int(np.clip(_MAX_OUTPUTS / size, _FEWEST_RESAMPLES, _NUM_RESAMPLES))
    values = []
    for drawn in _weights(num_units, total, seed, num_rows(targets)):
        weights = drawn if group_of is None else drawn[:, group_of]
        values.append(np.stack([metric.value(outputs, targets, weights) for outputs in models], axis=1))
    return np.concatenate(values)


def _weights(num_units: int, total: int, seed: int, width: int = 0) -> Iterator[np.ndarray]:
    """Yields how often each unit is drawn [draws, units], in pieces of at most `_MAX_NUMBERS` numbers.

    `width` is how many numbers a draw makes where that is more than its units.
    """
    sizes = _pieces(max(num_units, width), total)
    if len(sizes) == 1:
        yield _all_weights(num_units, total, seed)
        return
    rng = np.random.default_rng(seed)
    for size in sizes:
        yield _drawn_weights(num_units, size, rng)


@lru_cache(maxsize=1)
def _all_weights(num_units: int, total: int, seed: int) -> np.ndarray:
    """Returns all draws of so many units; kept, because the metrics and models of a split are scored on the same."""
    weights = _drawn_weights(num_units, total, np.random.default_rng(seed))
    weights.flags.writeable = False
    return weights


def _drawn_weights(num_units: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Returns how often each unit is drawn [draws, units]; the draws of a unit lie in one piece of memory."""
    drawn = rng.integers(num_units, size=(size, num_units)) * size + np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * num_units).reshape(num_units, size).T.astype(float, order="F")


def _pieces(width: int, total: int) -> list[int]:
    """Returns sizes that add up to `total`; each times `width` is at most `_MAX_NUMBERS`."""
    size = max(1, _MAX_NUMBERS // width)
    return [min(size, total - start) for start in range(0, total, size)]
