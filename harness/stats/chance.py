"""Whether a value is better than a guess, beyond what the luck of a few rows explains."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, sqrt

from harness.stats.metric import Metric

__all__ = ["is_beyond_chance", "noise"]


def noise(metric: Metric, value: float, num_rows: int) -> float:
    """How far off `value` may be by the luck of `num_rows` rows: about two standard errors.

    That of a share follows from the share itself. For another metric the scatter of a row is not known: it is taken as
    half of the metric's range (the most there can be), or as the value itself where the range has no upper end.
    """
    rows = max(1, num_rows)
    if metric.percent:
        return 2 * sqrt(max(0.0, value * (1 - value)) / rows)
    return (metric.high - metric.low if isfinite(metric.high) else 2 * abs(value)) / sqrt(rows)


def is_beyond_chance(metric: Metric, value: float | None, chance: Mapping[str, float], num_rows: int) -> bool:
    """True when `value`, scored on `num_rows` rows, is better than the trivial baseline by more than noise.

    `chance` holds what the trivial baseline has by metric. An objective that it lacks (a cost) has no such baseline:
    any value is beyond it.
    """
    if metric.name not in chance:
        return True
    baseline = chance[metric.name]
    margin = noise(metric, baseline, num_rows)
    bound = baseline + margin if metric.maximize else baseline - margin
    return value is not None and isfinite(value) and metric.better(value, bound)
