"""Tells before the search how small a difference of two models the test rows can show, by each objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, nan

from harness.data.answers import Answers
from harness.data.prepared import PreparedData
from harness.report.kit.text import amount
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.stats.metric import Metric, score
from harness.stats.power import DISAGREEMENT, expected_difference, smallest_difference

__all__ = ["detectable_lines"]


def detectable_lines(spec: StudySpec, data: PreparedData, simple: Callable[[], Mapping[str, Answers]]) -> list[str]:
    """Returns a line for each objective that is computed from answers; none where rows come in groups of one unit.

    `simple` returns the validation answers of the task's baselines by name; it is called for metrics that are no share.
    """
    num_rows = data.meta.rows["test"]
    if not num_rows or data.units("test") is not None:
        return []
    lines = []
    for metric in facts_of(spec.task).scored_by(spec.search.objectives):
        if metric.is_share:
            smallest = smallest_difference(num_rows)
            why = f"between models that disagree on {max(DISAGREEMENT, smallest):.0%} of them"
        else:
            smallest, why = _expected(metric, simple(), num_rows)
        if isfinite(smallest):
            lines.append(
                f"smallest difference: the {num_rows} test rows can show one of about {amount(metric.name, smallest)} "
                f"({why})"
            )
    return lines


def _expected(metric: Metric, simple: Mapping[str, Answers], num_rows: int) -> tuple[float, str]:
    """Returns the expected smallest difference by the best baseline that has an interval, and how it was found."""

    def rank(name: str) -> float:
        return metric.sort_key(score(metric, simple[name].outputs, simple[name].targets))

    for name in sorted(simple, key=rank):
        smallest = expected_difference(metric, simple[name].outputs, simple[name].targets, num_rows)
        if isfinite(smallest):
            return smallest, f"estimated from how uncertain the validation score of {name} is"
    return nan, ""
