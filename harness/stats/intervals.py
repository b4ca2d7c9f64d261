"""Intervals and tests: for a share, a difference, a mean over seeds, and a value with its resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf, nan, sqrt

import numpy as np

__all__ = ["Interval", "bca", "difference_interval", "mcnemar_p", "seed_interval", "unknown", "wilson"]

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with its 95 % interval; NaN where it is not known."""

    __pydantic_config__ = {"allow_inf_nan": True, "extra": "forbid"}  # for the pydantic records that hold an interval

    value: float
    low: float
    high: float


def unknown(value: float = nan) -> Interval:
    """Returns a value whose interval is not known."""
    return Interval(value=value, low=nan, high=nan)


def wilson(share: float, num_rows: int) -> Interval:
    """Returns a share of `num_rows` independent rows with its 95 % Wilson score interval (1927); NaN without rows."""
    if not num_rows:
        return unknown()
    spread = _Z**2 / num_rows
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / num_rows + spread / (4 * num_rows)) / (1 + spread)
    # Rounding must not push a bound past the value at 0 or 1.
    return Interval(value=share, low=min(share, max(0.0, centre - half)), high=max(share, min(1.0, centre + half)))


def bca(value: float, draws: np.ndarray, left_out: np.ndarray, num_units: int) -> Interval:
    """Returns a value with its 95 % bias-corrected and accelerated (BCa) bootstrap interval (Efron 1987).

    `draws` are the values of resamples of `num_units` independent units, and `left_out` the values without each unit,
    or without each of several blocks of units; none is NaN. The normal quantiles of BCa are replaced by wider ones of
    Student's t, times sqrt(n / (n - 1)), because the units give an uncertain spread (Hesterberg 2014, "expanded"
    intervals). The degrees of freedom match the variance of that spread (Satterthwaite 1946): n - 1 at most, and far
    fewer where a few units weigh more than all others.
    """
    from scipy.special import ndtr, ndtri, stdtrit

    influences = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    squares = float(np.sum(influences**2))
    acceleration, degrees = 0.0, max(1.0, num_units - 1.0)
    if squares > 0:
        influences /= sqrt(squares)
        acceleration = float(np.sum(influences**3)) / 6
        relative_variance = float(np.sum(influences**4)) - 1 / len(influences)  # of the sum of squares
        degrees = 2 / max(relative_variance, 2 / degrees)
    below = float(np.mean(draws < value) + np.mean(draws == value) / 2)
    least = 1 / (len(draws) + 1)  # keeps the bias finite
    bias = ndtri(min(max(below, least), 1 - least))
    quantiles = stdtrit(degrees, np.array([0.025, 0.975])) * sqrt(num_units / max(1, num_units - 1))
    shifted = bias + quantiles
    levels = ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9))
    low, high = (float(bound) for bound in np.quantile(draws, levels))
    return Interval(value=value, low=min(low, value), high=max(high, value))


def difference_interval(a: Interval, b: Interval) -> Interval:
    """Returns `a` - `b` of two independent samples with its 95 % interval, from the intervals of both.

    For Wilson's intervals this is Newcombe's hybrid score interval (1998, method 10); for others the same rule is
    called MOVER (Zou and Donner 2008).
    """
    gain = a.value - b.value
    below = sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    above = sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Interval(value=gain, low=gain - below, high=gain + above)


def mcnemar_p(wins: int, losses: int) -> float:
    """Returns McNemar's two-sided mid-p value for the rows that only one of two models has right.

    The mid-p form (Fagerland et al. 2013) is nearly exact, and less conservative than the exact test.
    """
    from scipy.stats import binom

    total, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    tail = binom.cdf(fewer, total, 0.5) - binom.pmf(fewer, total, 0.5) / 2
    return float(min(1.0, 2 * tail))


def seed_interval(values: Sequence[float], rows: Interval | None, scale: tuple[float, float] = (-inf, inf)) -> Interval:
    """Returns the mean of a score over seeds with a 95 % interval that holds the noise of the rows and of the seeds.

    `rows` is the interval of such a score on its rows. Its distances from its value and the spread over the seeds add
    up as the root of the sum of squares; where it is not known, neither is the interval. None stands for what is not
    computed from rows (a speed): the interval is then of the seeds alone, and a single seed has none. The bounds stay
    on the `scale` of the metric.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return unknown()
    mean = float(finite.mean())
    spread = _Z * float(finite.std(ddof=1)) / sqrt(len(finite)) if len(finite) > 1 else 0.0
    if rows is None:
        return Interval(value=mean, low=mean - spread, high=mean + spread) if len(finite) > 1 else unknown(mean)
    below, above = hypot(rows.value - rows.low, spread), hypot(rows.high - rows.value, spread)
    low, high = (float(bound) for bound in np.clip((mean - below, mean + above), *scale))
    return Interval(value=mean, low=low, high=high)
