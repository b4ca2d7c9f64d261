"""Intervals and tests in closed form: of a share, of a difference, of a mean over seeds."""

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

    __pydantic_config__ = {"allow_inf_nan": True, "extra": "forbid"}  # for the records that hold one

    value: float
    low: float
    high: float


def unknown(value: float = nan) -> Interval:
    """A value whose interval is not known."""
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

    Of Wilson's intervals this is Newcombe's hybrid score interval (1998, method 10); of others the same rule is known
    as MOVER (Zou and Donner 2008).
    """
    gain = a.value - b.value
    below = sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    above = sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Interval(value=gain, low=gain - below, high=gain + above)


def mcnemar_p(wins: int, losses: int) -> float:
    """Returns McNemar's two-sided mid-p value for the rows that only one of two models has right.

    The mid-p form of the exact test (Fagerland et al. 2013): nearly exact, and not as timid as the exact one.
    """
    from scipy.stats import binom

    total, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    tail = binom.cdf(fewer, total, 0.5) - binom.pmf(fewer, total, 0.5) / 2
    return float(min(1.0, 2 * tail))


def seed_interval(values: Sequence[float], num_rows: int | None = None) -> Interval:
    """Returns the mean of a score over seeds with a 95 % interval.

    `num_rows` is given for a share of the rows: then the sampling of the rows counts (Wilson), besides the spread over
    the seeds; the two are added in squares. Without it only the spread counts, and one seed gives no interval.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return unknown()
    mean = float(known.mean())
    spread = _Z * float(known.std(ddof=1)) / sqrt(len(known)) if len(known) > 1 else 0.0
    if num_rows:
        rows = wilson(min(1.0, max(0.0, mean)), num_rows)
        below, above = sqrt((mean - rows.low) ** 2 + spread**2), sqrt((rows.high - mean) ** 2 + spread**2)
        return Interval(value=mean, low=max(0.0, mean - below), high=min(1.0, mean + above))
    return unknown(mean) if len(known) == 1 else Interval(value=mean, low=mean - spread, high=mean + spread)
