"""Sentences on what the test rows tell: the gap to validation, and the smallest difference that they can show."""

from __future__ import annotations

from math import isfinite

from harness.records.final import FinalModel
from harness.report.kit.sections import Sentence
from harness.report.kit.text import amount, clip, difference, metric
from harness.report.kit.view import View
from harness.report.study.predictions import answers_of, units_of
from harness.stats import resampling
from harness.stats.intervals import Interval, difference_interval, unknown, wilson
from harness.stats.power import DETECTABLE

__all__ = ["detectable", "gap"]


def gap(view: View, model: FinalModel, name: str) -> list[Sentence]:
    """Validation against test score; both have sampling error, so the interval of their difference is reported."""
    validation, test = model.validation.get(name), model.test[name]
    if validation is None or not isfinite(validation):
        return []
    scores = f"{metric(name, validation)} on validation, {metric(name, test.value)} on test"
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


def detectable(view: View, name: str) -> list[Sentence]:
    """The smallest difference between the winner and its closest rival that the test rows can show."""
    pairs = (view.comparison(role) for role in view.models if role != "winner")
    compared = next((pair for pair in pairs if pair is not None and pair.difference.high > pair.difference.low), None)
    num_rows = view.results.manifest.data.rows.get("test", 0)
    if compared is None or not num_rows or compared.metric != name:
        return []
    error = (compared.difference.high - compared.difference.low) / (2 * 1.96)
    smallest = DETECTABLE * error
    if not smallest:
        return []
    rival = view.models[compared.b]
    other = f"trial {rival.number}" if rival.number is not None else clip(rival.name)
    return [
        Sentence(
            "Test rows",
            f"These {num_rows:,} rows can show differences from {amount(name, smallest)} on, between models as alike "
            f"as the winner and {other}.",
        )
    ]
