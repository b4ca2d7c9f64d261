"""How the pick fares on test against the other models, and whether its validation score was luck: a sentence each.

Knows nothing of HTML: plain sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from harness.records.final import Comparison, FinalModel, Interval
from harness.report.predictions import scores_of
from harness.report.stats import difference_interval, metric_interval, pareto_front
from harness.report.text import METRIC_NAMES, difference, join, metric, named_metric, plural, points, probability_text
from harness.report.view import View
from harness.spec.metrics import METRICS

__all__ = ["Sentence", "evidence", "judged_by", "tradeoff"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the sentence is about, and the sentence."""

    about: str
    text: str


def judged_by(view: View, model: FinalModel) -> str:
    """The metric that the test split is judged by: the first objective, or accuracy where test does not have it."""
    return view.objective if view.objective in model.test else next(iter(model.test), "accuracy")


def evidence(view: View, model: FinalModel | None) -> list[Sentence]:
    """Returns what the test split says of `model`, the pick; nothing before it was opened."""
    if model is None or not model.test:
        return []
    name = judged_by(view, model)
    found = [
        sentence for role in ("winner", "runner-up", "default", "baseline") for sentence in _against(view, role, name)
    ]
    return [*found, *_gap(view, model, name)]


def _against(view: View, role: str, name: str) -> list[Sentence]:
    compared, other = view.comparison(role), view.models.get(role)
    if compared is None or other is None or (other.number is not None and other.number == view.winner_number):
        return []
    whom = {"winner": "the validation winner", "default": "the default recipe"}.get(role, f"the {role}")
    which = f"trial {other.number}" if other.number is not None else other.name
    value = f"; {which} has {metric(name, other.test[name].value)}" if name in other.test else ""
    text = (
        f"{_verdict(compared)} with probability {probability_text(compared.probability)}: "
        f"{points(compared.difference)}{value}."
    )
    return [Sentence(f"Against {whom}", text)]


def _verdict(compared: Comparison) -> str:
    if compared.tie:
        return "A tie; better"
    return "Better" if compared.probability > 0.5 else "Worse; better"


def _gap(view: View, model: FinalModel, name: str) -> list[Sentence]:
    """Validation against test; both are samples, so the gap is judged by the interval of their difference."""
    validation, test = model.validation.get(name), model.test[name]
    if validation is None or not isfinite(validation):
        return []
    shown = f"{metric(name, validation)} on validation, {metric(name, test.value)} on test"
    gap = _gap_interval(view, model, name)
    if not isfinite(gap.low):
        return [Sentence("Validation to test", f"{shown}.")]
    verdict = (
        "the gap is no larger than chance explains"
        if gap.low <= 0 <= gap.high
        else "the gap is larger than chance explains; trust the test figure"
    )
    bounds = f"95\u00a0% interval of the difference {difference(name, gap)}"
    return [Sentence("Validation to test", f"{shown}: {verdict} ({bounds}).")]


def _gap_interval(view: View, model: FinalModel, name: str) -> Interval:
    """Validation less test with its interval; NaN bounds where the validation predictions are gone."""
    scores = scores_of(view, model, "validation")
    if scores is None:
        return Interval(value=nan, low=nan, high=nan)
    return difference_interval(metric_interval(name, scores.labels, scores.probabilities), model.test[name])


def tradeoff(view: View) -> list[Sentence]:
    """Several objectives: which one decides, and the best of each among the trials that no other beats in all."""
    names = view.objectives
    if len(names) < 2:
        return []
    asked = f"{join(METRIC_NAMES.get(name, name) for name in names)}; {view.score_name} decides"
    values = [[view.mean(record, name).value for name in names] for record in view.completed]
    is_on = pareto_front(np.array(values).reshape(-1, len(names)), [METRICS[name].maximize for name in names])
    front = [record for record, on in zip(view.completed, is_on, strict=True) if on]
    if not front:
        return [Sentence("Objectives", f"{asked}.")]
    best = {
        name: min(front, key=lambda record: METRICS[name].sort_key(view.mean(record, name).value)) for name in names
    }
    told = "; ".join(
        f"best in {join(METRIC_NAMES.get(name, name) for name in names if best[name] is record)} is trial "
        f"{record.number} ({', '.join(named_metric(name, view.mean(record, name).value) for name in names)})"
        for record in {record.number: record for record in best.values()}.values()
    )
    count = f"{len(front):,} of {plural(len(view.completed), 'completed trial')} {'is' if len(front) == 1 else 'are'}"
    return [Sentence("Objectives", f"{asked}. {count} on the Pareto front: {told}.")]
