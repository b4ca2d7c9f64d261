"""Refuses before the first trial what no trial could give."""

from __future__ import annotations

from harness.data.prepared import PreparedData
from harness.errors import DataError
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of

__all__ = ["refuse_undefined"]


def refuse_undefined(spec: StudySpec, data: PreparedData) -> None:
    """Refuses an objective that is undefined on the validation split.

    Raises:
        DataError: all validation rows have the same target, and an objective needs several.
    """
    if data.has_variety("validation"):
        return
    facts = facts_of(spec.task)
    for name in spec.search.objectives:
        if facts.metric(name).needs_variety:
            others = ", ".join(metric.name for metric in facts.metrics if not metric.needs_variety)
            raise DataError(
                f"search.objectives: {name} is undefined on the validation split: its {data.meta.rows['validation']} "
                f"rows all have the same target; give more rows of others, or choose an objective of {others}"
            )
