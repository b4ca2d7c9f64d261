"""Intervals and tests in closed form: for a share, a difference, and a mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

__all__ = ["Interval", "difference_interval", "mcnemar_p", "seed_interval", "unknown", "wilson"]

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


def seed_interval(values: Sequence[float], num_rows: int | None = None) -> Interval:
    """Returns the mean of a score over seeds with a 95 % interval.

    For a share of rows, `num_rows` adds the sampling of the rows (Wilson) to the spread over the seeds, as the root of
    the sum of squares. Without it only the spread counts, and a single seed has no interval.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return unknown()
    mean = float(finite.mean())
    spread = _Z * float(finite.std(ddof=1)) / sqrt(len(finite)) if len(finite) > 1 else 0.0
    if num_rows:
        rows = wilson(min(1.0, max(0.0, mean)), num_rows)
        below, above = sqrt((mean - rows.low) ** 2 + spread**2), sqrt((rows.high - mean) ** 2 + spread**2)
        return Interval(value=mean, low=max(0.0, mean - below), high=min(1.0, mean + above))
    return unknown(mean) if len(finite) == 1 else Interval(value=mean, low=mean - spread, high=mean + spread)
