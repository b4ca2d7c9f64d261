"""Decides whether a value is better than chance by more than the noise of few rows."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, sqrt

from harness.stats.metric import Metric

__all__ = ["is_beyond_chance", "noise"]


def noise(metric: Metric, value: float, num_rows: int) -> float:
    """Returns about two standard errors of `value`, scored on `num_rows` rows.

    The error of a share follows from the share itself. For another metric the standard deviation of a row is not known:
    half of the metric's range is used (its maximum), or the value itself where the range has no upper end.
    """
    rows = max(1, num_rows)
    if metric.percent:
        return 2 * sqrt(max(0.0, value * (1 - value)) / rows)
    return (metric.high - metric.low if isfinite(metric.high) else 2 * abs(value)) / sqrt(rows)


def is_beyond_chance(metric: Metric, value: float | None, chance: Mapping[str, float], num_rows: int) -> bool:
    """True when `value`, scored on `num_rows` rows, is better than the trivial baseline by more than noise.

    `chance` holds the trivial baseline's value of each metric. A metric that it lacks (a cost) has no such baseline,
    and any value is better.
    """
    if metric.name not in chance:
        return True
    baseline = chance[metric.name]
    margin = noise(metric, baseline, num_rows)
    bound = baseline + margin if metric.maximize else baseline - margin
    return value is not None and isfinite(value) and metric.better(value, bound)
