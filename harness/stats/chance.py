"""The scores of a model that has learned nothing, and whether a value is better than those by more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, log, sqrt
from statistics import NormalDist

from harness.stats.metric import NATS, Arrays, Metric, score

__all__ = ["is_ahead", "is_beyond_chance", "noise", "scores_of_constant"]


#: How probable it is that a value without merit lies above two standard errors.
ABOVE_TWO = 1 - NormalDist().cdf(2.0)


def noise(metric: Metric, value: float, num_rows: int, num_trials: int = 1) -> float:
    """Returns about two standard errors of `value`, scored on `num_rows` rows; more where it is the best of several.

    The error of a share follows from the share itself, as if one row of each outcome were added: a share of 0 is not
    exact. For another metric the standard deviation of a row is not known: half of the metric's range is used (its
    maximum), or the distance to a perfect value where the range has no end. Of `num_trials` trials without merit, as
    few as of one have a value beyond it (Bonferroni).
    """
    rows = max(1, num_rows)
    errors = NormalDist().inv_cdf(1 - ABOVE_TWO / max(1, num_trials))
    if metric.is_like_share:
        share = (value * rows + 1) / (rows + 2)
        return errors * sqrt(share * (1 - share) / rows)
    perfect = metric.high if metric.maximize else metric.low
    spread = (metric.high - metric.low) / 2
    return errors * (spread if isfinite(spread) else abs(perfect - value)) / sqrt(rows)


def is_beyond_chance(
    metric: Metric, value: float | None, chance: Mapping[str, float], num_rows: int, num_trials: int = 1
) -> bool:
    """True when `value`, scored on `num_rows` rows, is better than the trivial baseline by more than noise.

    `value` may be the best of `num_trials` trials. `chance` holds the trivial baseline's value of each metric. A metric
    that it lacks (a cost) has no such baseline, and any value is better.
    """
    if metric.name not in chance:
        return True
    baseline = chance[metric.name]
    margin = noise(metric, baseline, num_rows, num_trials)
    bound = baseline + margin if metric.maximize else baseline - margin
    return value is not None and isfinite(value) and metric.better(value, bound)


def is_ahead(
    metric: Metric,
    value: float | None,
    other: float | None,
    num_rows: int,
    num_trials: int = 1,
    least: float = 0.0,
) -> bool:
    """True when `value` is better than `other` by more than noise, and more than `least`, in the metric's unit.

    Both are scored on the same `num_rows` rows.

    Of a loss in nats a row: if the worse model were right, the rows would be `num_trials / ABOVE_TWO` times as probable
    under the better one with at most the inverse probability (Markov's inequality for likelihood ratios). Costs are
    compared as they sort. A value that is no number is behind any other.
    """
    if value is None or not isfinite(value):
        return False
    if other is None or not isfinite(other):
        return True
    if metric.is_cost:
        return metric.sort_key(value) < metric.sort_key(other)
    if metric.unit == NATS:
        return other - value > max(least, log(max(1, num_trials) / ABOVE_TWO) / max(1, num_rows))
    margin = max(least, noise(metric, other, num_rows, num_trials))
    return metric.better(value, other + margin if metric.maximize else other - margin)


def scores_of_constant(metrics: Iterable[Metric], outputs: Arrays, targets: Arrays) -> dict[str, float]:
    """Returns by name what each metric is for `outputs` that are the same for every row.

    A metric that they leave undefined (a correlation) has the middle of its range, which is what outputs without
    merit have in the mean; one whose range has no end is left out.
    """
    found = {metric.name: (score(metric, outputs, targets), (metric.low + metric.high) / 2) for metric in metrics}
    values = {name: value if isfinite(value) else middle for name, (value, middle) in found.items()}
    return {name: value for name, value in values.items() if isfinite(value)}
