"""Formats values for readers: rounded, with the unit of their metric."""

from __future__ import annotations

from math import floor, isfinite, log10

from harness.stats.metric import Metric

__all__ = ["NONE", "number", "percent", "shown", "shown_apart"]

#: The text of a missing value.
NONE = "–"
MIB_PER_GIB = 1024
#: At most so many more digits are shown to tell two values apart.
MOST_DIGITS = 4


def percent(share: float | None, digits: int = 1) -> str:
    """Formats a share: 0.958 -> "95.8 %"."""
    return f"{100 * share:.{digits}f}\u00a0%" if share is not None and isfinite(share) else NONE


def number(value: float | None, digits: int = 3) -> str:
    """Formats a number with `digits` significant digits and separated thousands: 1234.5 -> "1,230"."""
    if value is None or not isfinite(value):
        return NONE
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(0, places)}f}" if abs(rounded) >= 1e-4 else f"{rounded:.{digits - 1}g}"


def shown(metric: Metric, value: float | None, more: int = 0) -> str:
    """Formats the value of a metric, with `more` digits than usual.

    Accuracy is in percent, log loss has three decimals, memory is in MiB or GiB, speed has no unit.
    """
    if value is None or not isfinite(value):
        return NONE
    if metric.percent:
        return percent(value, 1 + more)
    if metric.unit == "MiB":
        large = value >= MIB_PER_GIB
        return f"{value / MIB_PER_GIB:.{1 + more}f} GiB" if large else f"{value:.{more}f} MiB"
    return number(value, 3 + more) if metric.unit == "1/s" else f"{value:z.{3 + more}f}"


def shown_apart(metric: Metric, a: float | None, b: float | None) -> tuple[str, str]:
    """Formats two values of a metric with as many digits as tell them apart, up to `MOST_DIGITS` more than usual."""
    for more in range(MOST_DIGITS + 1):
        texts = shown(metric, a, more), shown(metric, b, more)
        if texts[0] != texts[1]:
            return texts
    return shown(metric, a), shown(metric, b)
