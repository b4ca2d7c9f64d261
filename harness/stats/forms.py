"""Metrics of forms that several tasks have, made in a line each."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from harness.stats.metric import NATS, Metric, OfSums, RowStats, ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["log_loss", "mean", "percentage"]


def mean(sums: np.ndarray) -> np.ndarray:
    """Returns the mean of sums [..., 2] of a value and of how often it was counted; NaN where that is never."""
    return ratio(sums[..., 0], sums[..., 1])


def percentage(name: str, title: str, row_stats: RowStats, of_sums: OfSums = mean, **facts: Any) -> Metric:
    """Returns a metric from 0 to 1 that is shown in percent, and better the higher it is.

    Args:
        name: that of the metric.
        title: its name for readers.
        row_stats: see `Metric`, as for the others.
        of_sums: the mean unless another is given.
        facts: further facts of the metric.
    """
    return Metric(
        name=name,
        title=title,
        maximize=True,
        low=0.0,
        high=1.0,
        percent=True,
        row_stats=row_stats,
        of_sums=of_sums,
        **facts,
    )


def log_loss(row_stats: RowStats) -> Metric:
    """Returns the mean negative log-probability that a model has given to the truth, in nats."""
    return Metric(
        name="log_loss",
        title="log loss",
        maximize=False,
        low=0.0,
        high=inf,
        unit=NATS,
        row_stats=row_stats,
        of_sums=mean,
    )
