"""Sentences on the objectives and the constraints of a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from harness.records.schema import TrialRecord
from harness.report.kit.sections import Sentence
from harness.report.kit.stats import pareto_front
from harness.report.kit.text import join, metric_title, named_metric, percent, plural
from harness.report.kit.view import View
from harness.spec.requirement import Requirement
from harness.stats.metric import COST_STEP, Metric
from harness.stats.shown import NONE, shown_apart

__all__ = ["kept_constraints", "no_winner", "on_front", "tradeoff"]


def on_front(view: View) -> list[TrialRecord]:
    """The completed trials that no other beats in all objectives, by validation means over seeds.

    Those that violate a constraint are left out.
    """
    metrics = [view.task.metric(name) for name in view.objectives]
    values = [[metric.compared(view.mean(record, metric.name)) for metric in metrics] for record in view.eligible]
    is_on = pareto_front(np.array(values).reshape(-1, len(metrics)), [metric.maximize for metric in metrics])
    return [record for record, on in zip(view.eligible, is_on, strict=True) if on]


def tradeoff(view: View) -> list[Sentence]:
    """The sentence on several objectives: which one decides, and the best trial of each on the Pareto front."""
    names = view.objectives
    if len(names) < 2:
        return []
    metrics = [view.task.metric(name) for name in names]
    objectives = f"{join(metric_title(name) for name in names)}; {view.score_name} decides"
    front = on_front(view) if len(view.eligible) > 1 else []
    if not front:
        return [Sentence("Objectives", f"{objectives}.")]
    place = {number: at for at, number in enumerate(view.rows)}
    best = {
        metric.name: min(
            front, key=lambda record: (metric.sort_key(view.mean(record, metric.name)), place[record.number])
        )
        for metric in metrics
    }
    leaders = "; ".join(
        f"best in {join(metric_title(name) for name in names if best[name] is record)} is trial "
        f"{record.number} ({', '.join(named_metric(name, view.mean(record, name)) for name in names)})"
        for record in {record.number: record for record in best.values()}.values()
    )
    kept = " that meet the constraints" if view.is_constrained else ""
    count = f"{len(front):,} of {plural(len(view.eligible), 'completed trial')}{kept}"
    count += " is" if len(front) == 1 else " are"
    equal = "".join(_as_good(view, metric, best[metric.name]) for metric in metrics if metric.is_cost)
    on_it = f"{count} on the Pareto front, by validation means over seeds: {leaders}."
    return [Sentence("Objectives", f"{objectives}. {on_it}{equal}")]


def _as_good(view: View, metric: Metric, leader: TrialRecord) -> str:
    """A sentence on the trial whose measured cost is better than the leader's, but equal to it in comparisons."""
    costs = {record.number: view.mean(record, metric.name) for record in view.eligible}
    rival = leader.number
    for number, cost in costs.items():
        rival = number if metric.better(cost, costs[rival]) else rival
    value = named_metric(metric.name, costs[rival])
    if value == named_metric(metric.name, costs[leader.number]):
        return ""
    return (
        f" Trial {rival} has {value}, which is equal: {metric.title} counts in steps of "
        f"{percent(COST_STEP, 0)}, by which measurements of one thing differ."
    )


def no_winner(view: View) -> str:
    """The headline of a study in which no completed trial may win: the nearest trial and what it misses."""
    row = view.results.nearest()
    if row is None:
        return "No completed trial meets the constraints yet"
    which, values = "confirmed trial" if row.confirmed else "trial", _values(row.violates, row.metrics)
    return f"No {which} meets all constraints: trial {row.record.number} is nearest, with {values}"


def kept_constraints(view: View) -> list[Sentence]:
    """The sentence on constraints: the values of the winner, or of the nearest trial, and how many violate each."""
    requirements = view.results.constraints.requirements
    best = view.results.best() or view.results.nearest()
    if not requirements or best is None:
        return []
    values = f"On validation trial {best.record.number} has {_values(requirements, best.metrics)}."
    rows = [view.rows[record.number] for record in view.completed]
    counts = [(sum(each in row.violates for row in rows), each.text) for each in requirements]
    missed = join(f"{count:,} {'violates' if count == 1 else 'violate'} {text}" for count, text in counts if count)
    total = plural(len(rows), "completed trial")
    told = f"{values} Of {total} {missed or 'none violates them'}.{''.join(_defaults(view, best.record.number))}"
    return [Sentence("Constraints", told)]


def _defaults(view: View, told: int) -> Iterator[str]:
    """A sentence on each default recipe that violates a constraint, but for the trial that was told of."""
    for number in view.default_numbers:
        row = view.rows[number]
        if row.violates and number != told:
            values = _values(row.violates, row.metrics)
            yield f" The default recipe, trial {number}, is beyond a limit: it has {values}."


def _values(requirements: Iterable[Requirement], metrics: Mapping[str, float]) -> str:
    return join(f"{_value(each, metrics)} ({each.text})" for each in requirements)


def _value(requirement: Requirement, metrics: Mapping[str, float]) -> str:
    """ "peak memory 2.1 GiB", or that it was not measured."""
    value = requirement.measured(metrics)
    text = shown_apart(requirement.metric, value, requirement.limit)[0]
    return f"{requirement.metric.title} {'not measured' if text == NONE else text}"
