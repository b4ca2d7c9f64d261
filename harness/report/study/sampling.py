"""Sentences on what the test rows tell: the gap to validation, and the smallest difference that they can show."""

from __future__ import annotations

from math import inf, isfinite

from harness.records.final import FinalModel
from harness.report.kit.sections import Sentence
from harness.report.kit.text import amount, clip, difference, join, metric
from harness.report.kit.view import View
from harness.report.study.predictions import answers_of, compared, units_of
from harness.stats import resampling
from harness.stats.intervals import Interval, difference_interval, unknown, wilson
from harness.stats.metric import Metric
from harness.stats.power import difference_shown_by

__all__ = ["detectable", "gap"]


#: What "can show" means.
OFTEN = "in 8 of 10 cases, and smaller ones in fewer"


def gap(view: View, model: FinalModel, name: str) -> list[Sentence]:
    """Validation against test score; both have sampling error, so the interval of their difference is reported."""
    validation, test = model.validation.get(name), model.test[name]
    if validation is None or not isfinite(validation):
        return []
    exported = f"The exported model{f' (seed {model.seed})' if model.seed is not None else ''}"
    scores = f"{exported} has {metric(name, validation)} on validation and {metric(name, test.value)} on test"
    bounds = _gap_interval(view, model, name)
    if not isfinite(bounds.low):
        return [Sentence("Validation to test", f"{scores}.")]
    verdict = (
        "the gap is no larger than chance explains"
        if bounds.low <= 0 <= bounds.high
        else "the gap is larger than chance explains; trust the test figure"
    )
    text = f"95\u00a0% interval of the difference {difference(name, bounds)}"
    return [Sentence("Validation to test", f"{scores}: {verdict} ({text}).")]


def _gap_interval(view: View, model: FinalModel, name: str) -> Interval:
    """Validation less test with its interval; NaN bounds without predictions and number of rows."""
    answers, num_rows = answers_of(view, model, "validation"), _validation_rows(view)
    judge = view.task.metric(name)
    if answers is not None and judge.has_formula:
        units = units_of(view, "validation")
        groups = units if units is not None and len(units) == len(answers) else None
        validation = resampling.interval(judge, answers.outputs, answers.targets, groups)
    elif judge.is_share and num_rows:
        validation = wilson(model.validation[name], num_rows)
    else:
        return unknown()
    return difference_interval(validation, model.test[name])


def _validation_rows(view: View) -> int:
    return view.results.manifest.data.rows.get("validation", 0)


def detectable(view: View) -> list[Sentence]:
    """The smallest difference from the winner that the test rows can show, by each objective that is no cost."""
    num_rows = view.results.manifest.data.rows.get("test", 0)
    parts = [text for metric in view.task.scored_by(view.objectives) if (text := _smallest(view, metric))]
    if not num_rows or not parts:
        return []
    these = "This row" if num_rows == 1 else f"These {num_rows:,} rows"
    return [Sentence("Test rows", f"{these} can show a difference of {join(parts)}: {OFTEN}.")]


def _smallest(view: View, metric: Metric) -> str:
    """The smallest difference shown between the winner and the nearest model that it differs from; "" if none."""
    for role, rival in _nearest_first(view, metric):
        smallest = difference_shown_by(_difference(view, metric, role))
        if isfinite(smallest):
            other = f"trial {rival.number}" if rival.number is not None else clip(rival.name)
            return f"{amount(metric.name, smallest)} or more, between models as alike as the winner and {other}"
    return ""


def _nearest_first(view: View, metric: Metric) -> list[tuple[str, FinalModel]]:
    """The other tested models with their roles, the one whose test score is nearest to the winner's first."""
    winner = view.models.get("winner")
    if winner is None:
        return []

    def distance(item: tuple[str, FinalModel]) -> float:
        scores = [model.test[metric.name].value for model in (winner, item[1]) if metric.name in model.test]
        gap = abs(scores[0] - scores[1]) if len(scores) == 2 else inf
        return gap if isfinite(gap) else inf

    return sorted(((role, rival) for role, rival in view.models.items() if rival.number != winner.number), key=distance)


def _difference(view: View, metric: Metric, role: str) -> Interval:
    """The winner's test score less that of the model `role`: of the decision, else computed from kept answers."""
    recorded = view.comparison(role)
    if recorded is not None and recorded.metric == metric.name:
        return recorded.difference
    winner = view.models.get("winner")
    first = answers_of(view, winner) if winner is not None else None
    pair = compared(metric, first, answers_of(view, view.models[role]), units_of(view, "test"))
    return unknown() if pair is None else pair.difference
