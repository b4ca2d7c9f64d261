"""Intervals and tests: for a share, a difference, a mean over seeds, and a value with its resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf, isclose, isfinite, nan, sqrt

import numpy as np

__all__ = [
    "Interval",
    "bca",
    "difference_interval",
    "expanded_percentiles",
    "mcnemar_p",
    "paired_shares",
    "seed_interval",
    "unknown",
    "widened",
    "wilson",
]

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with its 95 % interval; NaN where it is not known."""

    __pydantic_config__ = {"allow_inf_nan": True, "extra": "forbid"}  # for the pydantic records that hold an interval

    value: float
    low: float
    high: float

    @property
    def standard_error(self) -> float:
        """Half of the width over the normal quantile."""
        return (self.high - self.low) / (2 * _Z)

    @property
    def is_point(self) -> bool:
        """True where it has no width but that of rounding errors."""
        return isclose(self.low, self.high, rel_tol=1e-9, abs_tol=1e-12)


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


def widened(bounds: Interval, scale: tuple[float, float], num_units: int) -> Interval:
    """Returns an interval that resamples give no width, with the least width that `num_units` units leave open.

    What all units say is not certain: another answer may have a share of up to Wilson's bound of 0 of as many. So the
    interval reaches at least this share of the way to both ends of its `scale`; without an end it is not known.
    """
    share = wilson(0.0, num_units).high
    low, high = bounds.value - share * (bounds.value - scale[0]), bounds.value + share * (scale[1] - bounds.value)
    if not (isfinite(low) and isfinite(high)):
        return unknown(bounds.value)
    return Interval(value=bounds.value, low=min(low, bounds.low), high=max(high, bounds.high))


def bca(value: float, draws: np.ndarray, left_out: np.ndarray, num_units: int) -> Interval:
    """Returns a value with its 95 % bias-corrected and accelerated (BCa) bootstrap interval (Efron 1987).

    `draws` are the values of resamples of `num_units` independent units, and `left_out` the values without each unit,
    or without each of several blocks of units; none is NaN. The quantiles are expanded (`_quantiles`).
    """
    from scipy.special import ndtr, ndtri

    influences = _influences(left_out)
    acceleration = float(np.sum(influences**3)) / 6
    below = float(np.mean(draws < value) + np.mean(draws == value) / 2)
    least = 1 / (len(draws) + 1)  # keeps the bias finite
    bias = ndtri(min(max(below, least), 1 - least))
    shifted = bias + _quantiles(influences, num_units)
    return _between(value, draws, ndtr(bias + shifted / np.maximum(1 - acceleration * shifted, 1e-9)))


def expanded_percentiles(value: float, draws: np.ndarray, left_out: np.ndarray, num_units: int) -> Interval:
    """Returns a value with its 95 % percentile bootstrap interval, its quantiles expanded; arguments as of `bca`."""
    from scipy.special import ndtr

    return _between(value, draws, ndtr(_quantiles(_influences(left_out), num_units)))


def _influences(left_out: np.ndarray) -> np.ndarray:
    """Returns how much each unit moves the value, as shares whose squares add up to 1; zeros where none does."""
    influences = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    length = sqrt(float(np.sum(influences**2)))
    return influences / length if length > 0 else influences


def _quantiles(influences: np.ndarray, num_units: int) -> np.ndarray:
    """Returns the 2.5 % and the 97.5 % quantile of Student's t, times sqrt(n / (n - 1)), instead of the normal ones.

    They are wider because the units give an uncertain spread (Hesterberg 2014, "expanded" intervals). The degrees of
    freedom match the variance of that spread (Satterthwaite 1946): n - 1 at most, and far fewer where a few units weigh
    more than all others.
    """
    from scipy.special import stdtrit

    degrees = max(1.0, num_units - 1.0)
    if influences.any():
        relative_variance = float(np.sum(influences**4)) - 1 / len(influences)  # of the sum of squares
        degrees = 2 / max(relative_variance, 2 / degrees)
    quantiles: np.ndarray = stdtrit(degrees, np.array([0.025, 0.975])) * sqrt(num_units / max(1, num_units - 1))
    return quantiles


def _between(value: float, draws: np.ndarray, levels: np.ndarray) -> Interval:
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


def paired_shares(wins: int, losses: int, num_rows: int) -> Interval:
    """Returns the difference of two shares of the same rows with its 95 % interval; NaN without rows.

    `wins` rows count for the first share alone, and `losses` for the second. It is the normal interval as if there were
    half a row more of each outcome: both, neither, won, lost (Agresti and Min 2005). So it has a width where the models
    do not differ.
    """
    if not num_rows:
        return unknown()
    won, lost = ((rows + 0.5) / (num_rows + 2) for rows in (wins, losses))
    half = _Z * sqrt((won + lost - (won - lost) ** 2) / (num_rows + 2))
    gain = (wins - losses) / num_rows
    return Interval(
        value=gain, low=max(-1.0, min(gain, won - lost - half)), high=min(1.0, max(gain, won - lost + half))
    )


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
    up as the root of the sum of squares, times a quantile of Student's t; where it is not known, neither is the
    interval. None stands for what is not computed from rows (a speed): the interval is then of the seeds alone, and a
    single seed has none. The bounds stay on the `scale` of the metric.

    The spread of few seeds is uncertain, which matters as far as it is the larger part of the noise: the degrees of
    freedom are those of Satterthwaite (1946). Simulated were 4,000 means of an accuracy of 0.8 or 0.95, for 100, 450
    and 2,000 rows and seeds that differ by 0 to 3 points (one standard deviation). The interval holds the true mean in
    93 to 99 % with 3 or 5 seeds; with 2 seeds in 92 to 99 % where they differ by a point at most, but in 87 to 90 %
    where they differ by three times the noise of the rows or more. The normal quantile alone holds it in 75 to 99 % of
    means over 2 seeds; Student's for the seeds alone (12.7) in 95 to 100 %, three to six times as wide.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return unknown()
    mean = float(finite.mean())
    spread = _Z * float(finite.std(ddof=1)) / sqrt(len(finite)) if len(finite) > 1 else 0.0
    if rows is None:
        if len(finite) == 1:
            return unknown(mean)
        rows = Interval(value=mean, low=mean, high=mean)
    wider = _expansion(spread, (rows.high - rows.low) / 2, len(finite) - 1)
    below, above = (wider * hypot(side, spread) for side in (rows.value - rows.low, rows.high - rows.value))
    low, high = (float(bound) for bound in np.clip((mean - below, mean + above), *scale))
    return Interval(value=mean, low=low, high=high)


def _expansion(uncertain: float, known: float, degrees: int) -> float:
    """Returns Student's quantile over the normal one for a known and an uncertain (of so many degrees) half-width."""
    from scipy.special import stdtrit

    if not uncertain > 0:
        return 1.0
    return float(stdtrit(degrees * (1 + (known / uncertain) ** 2) ** 2, 0.975)) / _Z
