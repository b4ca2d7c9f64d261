"""Intervals of a metric and comparisons of two models, from resamples of rows, whatever the metric.

Rows, or groups of rows that belong together (a user's clicks, a passage's questions), are drawn with replacement; the
metric of each draw is computed by its own formula (Efron 1979). Two models are compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

import numpy as np

from harness.stats.intervals import Interval, bca, mcnemar_p, unknown, wilson
from harness.stats.metric import Arrays, Metric, num_rows, score

__all__ = ["PairedComparison", "compare", "interval"]

_NUM_RESAMPLES = 2000
_NUM_RESAMPLES_OF_SHARES = 20_000  # each resample is three numbers only
_FEWEST_RESAMPLES = 200
_MOST_LEFT_OUT = 200
_MAX_NUMBERS = 4_000_000  # in one piece of work: 32 MB
_MAX_OUTPUTS = 1e8  # numbers that are ranked in all resamples together
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Model `a` against model `b` on the same rows.

    `probability` is the share of resamples in which `a` is better, equal ones count half. `difference` is the metric
    of `a` less that of `b`, in the metric's unit. `mcnemar_p` is given for shares of the rows alone.
    """

    probability: float
    difference: Interval
    mcnemar_p: float | None
    tie: bool


def interval(
    metric: Metric, outputs: Arrays, targets: Arrays, groups: np.ndarray | None = None, seed: int = 0
) -> Interval:
    """Returns a metric with its 95 % interval; NaN where the metric is undefined.

    A share of independent rows has Wilson's interval; every other metric has the BCa bootstrap over rows or `groups`
    [rows] (`intervals.bca`). In simulated splits of 100 to 2,000 rows it covers the true value in 93 to 97 %
    (`benchmarks/coverage.py`), but for macro F1 of 100 rows: 92.4 % where a class has about five rows, because none of
    them may be right, and 97.5 % where about four rows are wrong.

    A value at an end of its scale (no error at all) is the same in all resamples, but is not certain: its interval is
    at least as wide as Wilson's for a share of 0 or 1 of as many rows, times the length of the scale. Where the scale
    has no other end (an RMSE of 0), no width is known, and the interval is a point.
    """
    value = score(metric, outputs, targets)
    if not isfinite(value):
        return unknown()
    if metric.is_share and groups is None:
        return wilson(value, num_rows(targets))
    draws = _resampled(metric, [outputs], targets, groups, seed)[:, 0]
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return unknown()
    unit_of = np.arange(num_rows(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    num_units = int(unit_of.max()) + 1
    left_out = _left_out(metric, outputs, targets, unit_of, seed)
    bootstrapped = bca(value, draws, left_out[np.isfinite(left_out)], num_units)
    return _widened_at_end(metric, bootstrapped, num_units)


def _left_out(metric: Metric, outputs: Arrays, targets: Arrays, unit_of: np.ndarray, seed: int) -> np.ndarray:
    """Returns the metric without each unit; of many units, without each of 200 random blocks of them."""
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
        [metric.value(outputs, targets, (block_of != piece[:, None]).astype(float)) for piece in blocks]
    )


def _widened_at_end(metric: Metric, bootstrapped: Interval, num_units: int) -> Interval:
    """Returns the interval, with a width where the value is at an end of its scale."""
    reach = (metric.high - metric.low) * wilson(0.0, num_units).high
    if not isfinite(reach) or bootstrapped.value not in (metric.low, metric.high):
        return bootstrapped
    if bootstrapped.value == metric.high:
        return Interval(
            value=bootstrapped.value, low=min(bootstrapped.low, metric.high - reach), high=bootstrapped.high
        )
    return Interval(value=bootstrapped.value, low=bootstrapped.low, high=max(bootstrapped.high, metric.low + reach))


def compare(
    metric: Metric, a: Arrays, b: Arrays, targets: Arrays, groups: np.ndarray | None = None, seed: int = 0
) -> PairedComparison:
    """Compares two models on the same rows, by the same resamples of rows or `groups` [rows].

    It is a tie when the 95 % interval of the difference contains 0. The bootstrap interval of a share is too narrow
    when few rows differ, so shares are also a tie unless McNemar's mid-p value is below 0.05.

    Raises:
        ValueError: the models were scored on different numbers of rows.
    """
    _refuse_other_rows(a, b)
    if metric.is_share and groups is None:
        return _compare_shares(metric, a, b, targets, seed)
    gain = score(metric, a, targets) - score(metric, b, targets)
    draws = _resampled(metric, [a, b], targets, groups, seed) if isfinite(gain) else np.empty((0, 2))
    gains = draws[:, 0] - draws[:, 1]
    gains = gains[np.isfinite(gains)]
    if not len(gains):
        return PairedComparison(probability=0.5, difference=unknown(), mcnemar_p=None, tie=True)
    difference = _of_draws(gain, gains)
    return PairedComparison(
        probability=_share_better(gains if metric.maximize else -gains),
        difference=difference,
        mcnemar_p=None,
        tie=difference.low <= 0 <= difference.high,
    )


def _refuse_other_rows(a: Arrays, b: Arrays) -> None:
    first, second = (len(next(iter(outputs.values()))) for outputs in (a, b))
    if first != second:
        raise ValueError(f"the models were scored on {first} and {second} rows; they must be the same rows")


def _of_draws(value: float, draws: np.ndarray) -> Interval:
    low, high = (float(bound) for bound in np.quantile(draws, _QUANTILES))
    return Interval(value=value, low=min(low, value), high=max(high, value))


def _share_better(gains: np.ndarray) -> float:
    return float(np.mean(gains > 0) + np.mean(gains == 0) / 2)


def _compare_shares(metric: Metric, a: Arrays, b: Arrays, targets: Arrays, seed: int) -> PairedComparison:
    """Compares shares: only the rows on which the models differ matter.

    So a resample of the rows is one draw of three counts.
    """
    total = num_rows(targets)
    if not total:
        return PairedComparison(probability=0.5, difference=unknown(), mcnemar_p=1.0, tie=True)
    hits, others = (_hits(metric, outputs, targets) for outputs in (a, b))
    wins, losses = int(np.sum(hits & ~others)), int(np.sum(others & ~hits))
    shares = np.array([wins, losses, total - wins - losses]) / total
    draws = np.random.default_rng(seed).multinomial(total, shares, size=_NUM_RESAMPLES_OF_SHARES)
    gains = (draws[:, 0] - draws[:, 1]) / total
    difference, p = _of_draws((wins - losses) / total, gains), mcnemar_p(wins, losses)
    low, high = np.quantile(gains, _QUANTILES)
    return PairedComparison(
        probability=_share_better(gains if metric.maximize else -gains),
        difference=difference,
        mcnemar_p=p,
        tie=bool(p >= 0.05 or low <= 0 <= high),
    )


def _hits(metric: Metric, outputs: Arrays, targets: Arrays) -> np.ndarray:
    if metric.row_stats is None:
        raise ValueError(f"metric '{metric.name}' is a share without row_stats")
    hits: np.ndarray = metric.row_stats(outputs, targets)[:, 0].astype(bool)
    return hits


def _resampled(
    metric: Metric, models: Sequence[Arrays], targets: Arrays, groups: np.ndarray | None, seed: int
) -> np.ndarray:
    """Returns the metric of each model in each resample [draws, models]; all models have the same resamples."""
    group_of = None if groups is None else np.unique(groups, return_inverse=True)[1]
    if metric.row_stats is not None:
        return _of_row_stats(metric, [metric.row_stats(outputs, targets) for outputs in models], group_of, seed)
    return _of_values(metric, models, targets, group_of, seed)


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
