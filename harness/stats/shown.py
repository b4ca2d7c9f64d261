"""Values as a reader wants them: rounded, with the unit of their metric."""

from __future__ import annotations

from math import floor, isfinite, log10

from harness.stats.metric import Metric

__all__ = ["NONE", "number", "percent", "shown", "shown_apart"]

#: Stands for a value that is not there.
NONE = "–"
MIB_PER_GIB = 1024
#: Two values that look alike are shown with so many more digits at most.
MOST_DIGITS = 4


def percent(share: float | None, digits: int = 1) -> str:
    """0.958 -> "95.8 %"."""
    return f"{100 * share:.{digits}f}\u00a0%" if share is not None and isfinite(share) else NONE


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits and thousands kept apart: 1234.5 -> "1,230"."""
    if value is None or not isfinite(value):
        return NONE
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(0, places)}f}" if abs(rounded) >= 1e-4 else f"{rounded:.{digits - 1}g}"


def shown(metric: Metric, value: float | None, more: int = 0) -> str:
    """A metric in its own form, with `more` digits than usual.

    Accuracy in percent, log loss with three decimals, memory in MiB or GiB, speed without its unit.
    """
    if value is None or not isfinite(value):
        return NONE
    if metric.percent:
        return percent(value, 1 + more)
    if metric.unit == "MiB":
        large = value >= MIB_PER_GIB
        return f"{value / MIB_PER_GIB:.{1 + more}f} GiB" if large else f"{value:.{more}f} MiB"
    return number(value, 3 + more) if metric.unit == "1/s" else f"{value:.{3 + more}f}"


def shown_apart(metric: Metric, a: float | None, b: float | None) -> tuple[str, str]:
    """Two values of a metric, with as many digits as tell them apart, and not many more than usual."""
    for more in range(MOST_DIGITS + 1):
        texts = shown(metric, a, more), shown(metric, b, more)
        if texts[0] != texts[1]:
            return texts
    return shown(metric, a), shown(metric, b)
