"""The sentence on a study of several objectives."""

from __future__ import annotations

import numpy as np

from harness.report.kit.sections import Sentence
from harness.report.kit.stats import pareto_front
from harness.report.kit.text import join, metric_title, named_metric, plural
from harness.report.kit.view import View
from harness.spec.tasks import metric_named

__all__ = ["tradeoff"]


def tradeoff(view: View) -> list[Sentence]:
    """The sentence on several objectives: which one decides, and the best trial of each on the Pareto front."""
    names = view.objectives
    if len(names) < 2:
        return []
    objectives = f"{join(metric_title(name) for name in names)}; {view.score_name} decides"
    values = [[view.mean(record, name) for name in names] for record in view.completed]
    is_on = pareto_front(np.array(values).reshape(-1, len(names)), [metric_named(name).maximize for name in names])
    front = [record for record, on in zip(view.completed, is_on, strict=True) if on]
    if not front:
        return [Sentence("Objectives", f"{objectives}.")]
    best = {name: min(front, key=lambda record: metric_named(name).sort_key(view.mean(record, name))) for name in names}
    leaders = "; ".join(
        f"best in {join(metric_title(name) for name in names if best[name] is record)} is trial "
        f"{record.number} ({', '.join(named_metric(name, view.mean(record, name)) for name in names)})"
        for record in {record.number: record for record in best.values()}.values()
    )
    count = f"{len(front):,} of {plural(len(view.completed), 'completed trial')} {'is' if len(front) == 1 else 'are'}"
    return [
        Sentence("Objectives", f"{objectives}. {count} on the Pareto front, by validation means over seeds: {leaders}.")
    ]
