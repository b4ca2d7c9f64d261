"""The metrics a study can be judged by: name, direction, bounds and unit, and what a few rows say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, sqrt

__all__ = ["METRICS", "SHARES", "Metric", "is_beyond_chance", "noise", "rank_key"]

#: Objectives that are shares of the rows, so that their noise is known.
SHARES = ("accuracy", "macro_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number that a trial is judged by. `worst` is what a failed trial is worth."""

    name: str
    maximize: bool
    low: float
    high: float
    unit: str = ""

    @property
    def worst(self) -> float:
        return self.low if self.maximize else self.high

    def better(self, a: float, b: float) -> bool:
        """True when `a` is strictly better than `b`."""
        return a > b if self.maximize else a < b

    def sort_key(self, value: float | None) -> float:
        """A key that sorts the best value first; a missing value or NaN comes last."""
        if value is None or value != value:
            return inf
        return -value if self.maximize else value


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="accuracy", maximize=True, low=0.0, high=1.0),
        Metric(name="macro_f1", maximize=True, low=0.0, high=1.0),
        Metric(name="mcc", maximize=True, low=-1.0, high=1.0),
        Metric(name="roc_auc", maximize=True, low=0.0, high=1.0),
        Metric(name="log_loss", maximize=False, low=0.0, high=inf, unit="nats"),
        Metric(name="samples_per_second", maximize=True, low=0.0, high=inf, unit="1/s"),
        Metric(name="tokens_per_second", maximize=True, low=0.0, high=inf, unit="1/s"),
        Metric(name="peak_memory_mib", maximize=False, low=0.0, high=inf, unit="MiB"),
    )
}


def rank_key(metrics: Mapping[str, float], objective: str) -> tuple[float, float]:
    """Sorts the better trial first: by the objective, and of equals (few rows make many) the lower log loss."""
    return METRICS[objective].sort_key(metrics.get(objective)), METRICS["log_loss"].sort_key(metrics.get("log_loss"))


def noise(objective: str, value: float, num_rows: int) -> float:
    """How far off `value` may be by the luck of `num_rows` rows: about two standard errors.

    That of a share follows from the share itself. For another metric the scatter of a row is not known: it is taken as
    half of the metric's range (the most there can be), or as the value itself where the range has no upper end.
    """
    metric, rows = METRICS[objective], max(1, num_rows)
    if objective in SHARES:
        return 2 * sqrt(max(0.0, value * (1 - value)) / rows)
    return (metric.high - metric.low if isfinite(metric.high) else 2 * abs(value)) / sqrt(rows)


def is_beyond_chance(objective: str, value: float | None, chance: Mapping[str, float], num_rows: int) -> bool:
    """True when `value`, scored on `num_rows` rows, is better than the trivial baseline by more than noise.

    `chance` holds what the trivial baseline has by metric. An objective that it lacks (a cost) has no such baseline:
    any value is beyond it.
    """
    if objective not in chance:
        return True
    metric, baseline = METRICS[objective], chance[objective]
    margin = noise(objective, baseline, num_rows)
    bound = baseline + margin if metric.maximize else baseline - margin
    return value is not None and isfinite(value) and metric.better(value, bound)
