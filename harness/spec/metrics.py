"""The metrics a study can be judged by: name, direction, bounds and unit.

Knows nothing of how they are computed (that is `harness.tasks.metrics` and the training core).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

__all__ = ["METRICS", "Metric", "rank_key"]


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
