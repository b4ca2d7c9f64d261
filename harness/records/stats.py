"""How sure a number is: intervals of metrics on a test split, and whether one model really beats another.

Pure numpy and scipy. Knows nothing of models, studies or reports: arrays in, numbers out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import stats

from harness.records.final import Interval
from harness.records.resampling import resampled_metric

__all__ = [
    "accuracy_interval",
    "compare_models",
    "difference_interval",
    "mcnemar_p",
    "metric_interval",
    "seed_interval",
    "wilson",
]

_Z = float(stats.norm.ppf(0.975))
_NUM_RESAMPLES = 20_000
_QUANTILES = (0.025, 0.975)


def accuracy_interval(correct: np.ndarray) -> Interval:
    """Returns the accuracy of `correct` [rows] (bool) with its 95 % interval (Wilson 1927); all NaN without rows."""
    return wilson(float(np.mean(correct)), len(correct)) if len(correct) else _nan()


def wilson(share: float, num_rows: int) -> Interval:
    """Returns a share of `num_rows` independent rows with its 95 % Wilson score interval."""
    spread = _Z**2 / num_rows
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / num_rows + spread / (4 * num_rows)) / (1 + spread)
    # Rounding must not push a bound past the value at 0 or 1.
    return Interval(value=share, low=min(share, max(0.0, centre - half)), high=max(share, min(1.0, centre + half)))


def metric_interval(metric: str, labels: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> Interval:
    """Returns a metric of `probabilities` [rows, num_labels] for `labels` [rows] with its 95 % interval.

    Accuracy has Wilson's interval, the others the percentile bootstrap over rows (Efron 1979). The values are those of
    `harness.tasks.metrics`. NaN where the metric is undefined.
    """
    if not len(labels):
        return _nan()
    if metric == "accuracy":
        return accuracy_interval(probabilities.argmax(axis=1) == labels)
    value, draws = resampled_metric(metric, labels, probabilities, np.random.default_rng(seed))
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not len(draws):
        return _nan()
    low, high = np.quantile(draws, _QUANTILES)
    return Interval(value=value, low=min(value, float(low)), high=max(value, float(high)))


def difference_interval(a: Interval, b: Interval) -> Interval:
    """Returns `a` - `b` of two independent samples with its 95 % interval, from the intervals of both.

    Of Wilson's intervals this is Newcombe's hybrid score interval (1998, method 10); of others the same rule is known
    as MOVER (Zou and Donner 2008).
    """
    gain = a.value - b.value
    below = sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    above = sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Interval(value=gain, low=gain - below, high=gain + above)


def compare_models(correct_a: np.ndarray, correct_b: np.ndarray, seed: int = 0) -> tuple[float, Interval, float, bool]:
    """Compares two models row by row on the same rows.

    Returns:
        The probability that `a` is the better one (share of paired bootstrap resamples in which it is, equal ones count
        half), the difference in accuracy with its 95 % interval, McNemar's mid-p value, and whether it is a tie. It is
        a tie unless interval and test agree that it is not: with few differing rows the bootstrap is too sure.
    """
    num_rows = len(correct_a)
    if num_rows != len(correct_b):
        raise ValueError(f"the models were scored on {num_rows} and {len(correct_b)} rows; they must be the same rows")
    if not num_rows:
        return 0.5, _nan(), 1.0, True
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    wins, losses = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    # Only the rows on which the two differ matter, so a resample of rows is one draw of three counts.
    shares = np.array([wins, losses, num_rows - wins - losses]) / num_rows
    draws = np.random.default_rng(seed).multinomial(num_rows, shares, size=_NUM_RESAMPLES)
    gains = (draws[:, 0] - draws[:, 1]) / num_rows
    probability = float(np.mean(gains > 0) + np.mean(gains == 0) / 2)
    low, high = (float(bound) for bound in np.quantile(gains, _QUANTILES))
    value = (wins - losses) / num_rows
    p = mcnemar_p(wins, losses)
    return (
        probability,
        Interval(value=value, low=min(low, value), high=max(high, value)),
        p,
        p >= 0.05 or low <= 0 <= high,
    )


def mcnemar_p(wins: int, losses: int) -> float:
    """Returns McNemar's two-sided mid-p value for the rows that only one of two models has right.

    The mid-p form of the exact test (Fagerland et al. 2013): nearly exact, and not as timid as the exact one.
    """
    total, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    tail = stats.binom.cdf(fewer, total, 0.5) - stats.binom.pmf(fewer, total, 0.5) / 2
    return float(min(1.0, 2 * tail))


def seed_interval(values: Sequence[float], num_rows: int | None = None) -> Interval:
    """Returns the mean of a score over seeds with a 95 % interval.

    `num_rows` is given for accuracy: then the sampling of the rows counts (Wilson), besides the spread over the seeds;
    the two are added in squares. Without it only the spread counts, and one seed gives no interval (NaN bounds).
    """
    scores = np.asarray(values, dtype=float)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return _nan()
    mean = float(scores.mean())
    spread = _Z * float(scores.std(ddof=1)) / sqrt(len(scores)) if len(scores) > 1 else 0.0
    if num_rows:
        rows = wilson(min(1.0, max(0.0, mean)), num_rows)
        below, above = sqrt((mean - rows.low) ** 2 + spread**2), sqrt((rows.high - mean) ** 2 + spread**2)
        return Interval(value=mean, low=max(0.0, mean - below), high=min(1.0, mean + above))
    if len(scores) == 1:
        return Interval(value=mean, low=float("nan"), high=float("nan"))
    return Interval(value=mean, low=mean - spread, high=mean + spread)


def _nan() -> Interval:
    return Interval(value=float("nan"), low=float("nan"), high=float("nan"))
