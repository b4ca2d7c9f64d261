"""How the pick fares on test against the other models, and whether its validation score was luck: a sentence each.

Knows nothing of HTML: plain sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np

from harness.records.final import Comparison, FinalModel
from harness.records.results import rung
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.stats import pareto_front
from harness.report.kit.text import (
    difference,
    gain,
    join,
    metric,
    metric_title,
    named_metric,
    percent,
    plural,
    probability_text,
)
from harness.report.kit.view import View
from harness.report.study.predictions import answers_of
from harness.spec.tasks import metric_named
from harness.stats.intervals import Interval, difference_interval, unknown, wilson
from harness.stats.resampling import interval

__all__ = ["Sentence", "evidence", "judged_by", "tradeoff"]

_WHOM = {
    "winner": "the validation winner",
    "runner-up": "the runner-up",
    "default": "the default recipe",
    "baseline": "the baseline",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the sentence is about, and the sentence."""

    about: str
    text: str


def judged_by(view: View, model: FinalModel) -> str:
    """The metric that the test split is judged by: that of the comparisons, or the first that test has."""
    return view.judge.name if view.judge.name in model.test else next(iter(model.test), view.judge.name)


def evidence(view: View, model: FinalModel | None) -> list[Sentence]:
    """Returns what the test split says of `model`, the pick; nothing before it was opened."""
    if model is None or not model.test:
        return []
    name = judged_by(view, model)
    others = [view.models[role] for role in _WHOM if role in view.models and role != model.role]
    found = [_against(view, name, model, same) for same in _by_trial(others)]
    found = sorted([*found, *_absent(view, model)], key=lambda one: one.about.endswith(_WHOM["baseline"]))
    return [*found, *_gap(view, model, name)]


def _by_trial(models: list[FinalModel]) -> list[list[FinalModel]]:
    """The models of one search trial together: runner-up and default recipe may be one trial."""
    found: dict[int | str, list[FinalModel]] = {}
    for model in models:
        found.setdefault(model.role if model.number is None else model.number, []).append(model)
    return list(found.values())


def _against(view: View, name: str, pick: FinalModel, same: list[FinalModel]) -> Sentence:
    """The pick against another trial, once for each seed that was scored of it."""
    whom = join(_WHOM[model.role] for model in same)
    by_seed = {model.seed: model for model in reversed(same)}
    if same[0].number is not None and same[0].number == pick.number:
        seeds = [model for model in reversed(by_seed.values()) if model.seed != pick.seed]
        scores = "".join(f"; with seed {model.seed} it has {_score(name, model)}" for model in seeds)
        own = f", here with seed {pick.seed}" if seeds else ""
        return Sentence(f"Against {whom}", f"Trial {pick.number} is {whom} itself{own}{scores}.")
    told = [_compared(view, name, model, tell_seed=len(by_seed) > 1) for model in reversed(by_seed.values())]
    return Sentence(f"Against {whom}", f"{'; '.join(told)}.")


def _compared(view: View, name: str, other: FinalModel, *, tell_seed: bool) -> str:
    which = f"trial {other.number}" if other.number is not None else other.name
    which += f" with seed {other.seed}" if tell_seed else ""
    compared = view.comparison(other.role)
    if compared is None:
        return f"{which} has {_score(name, other)}"
    sure = f"{_verdict(compared)} with probability {probability_text(compared.probability)}"
    return f"{sure}: {gain(compared.metric, compared.difference)}; {which} has {_score(name, other)}"


def _score(name: str, model: FinalModel) -> str:
    return metric(name, model.test[name].value if name in model.test else None)


def _absent(view: View, pick: FinalModel) -> Iterator[Sentence]:
    """Why there is no runner-up or no default recipe to compare with."""
    if "runner-up" not in view.models:
        others = len(view.completed) > 1
        why = "Only one configuration was confirmed" if others else "No other trial completed"
        yield Sentence("Against the runner-up", f"{why}, so there is none.")
    default = view.default_of(pick)
    if "default" in view.models or default is None:
        return
    if default.number == pick.number:
        text = f"Trial {pick.number} is the default recipe itself."
    else:
        text = f"The default recipe (trial {default.number}) {_ended(default)}, so it has no test score."
    yield Sentence("Against the default recipe", text)


def _ended(record: TrialRecord) -> str:
    if record.state is TrialState.PRUNED:
        return f"was pruned at {percent(rung(record), 0)}"
    kept = {TrialState.FAIL: "failed", TrialState.COMPLETE: "was not among the models kept"}
    return kept.get(record.state, "did not end")


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
    """Validation less test with its interval; NaN bounds where neither predictions nor the number of rows say it."""
    answers, num_rows = answers_of(view, model, "validation"), _validation_rows(view)
    judge = view.task.metric(name)
    if answers is not None and judge.has_formula:
        validation = interval(judge, answers.outputs, answers.targets)
    elif judge.is_share and num_rows:
        validation = wilson(model.validation[name], num_rows)
    else:
        return unknown()
    return difference_interval(validation, model.test[name])


def _validation_rows(view: View) -> int:
    return view.results.manifest.data.rows.get("validation", 0)


def tradeoff(view: View) -> list[Sentence]:
    """Several objectives: which one decides, and the best of each among the trials that no other beats in all."""
    names = view.objectives
    if len(names) < 2:
        return []
    asked = f"{join(metric_title(name) for name in names)}; {view.score_name} decides"
    values = [[view.mean(record, name).value for name in names] for record in view.completed]
    is_on = pareto_front(np.array(values).reshape(-1, len(names)), [metric_named(name).maximize for name in names])
    front = [record for record, on in zip(view.completed, is_on, strict=True) if on]
    if not front:
        return [Sentence("Objectives", f"{asked}.")]
    best = {
        name: min(front, key=lambda record: metric_named(name).sort_key(view.mean(record, name).value))
        for name in names
    }
    told = "; ".join(
        f"best in {join(metric_title(name) for name in names if best[name] is record)} is trial "
        f"{record.number} ({', '.join(named_metric(name, view.mean(record, name).value) for name in names)})"
        for record in {record.number: record for record in best.values()}.values()
    )
    count = f"{len(front):,} of {plural(len(view.completed), 'completed trial')} {'is' if len(front) == 1 else 'are'}"
    return [Sentence("Objectives", f"{asked}. {count} on the Pareto front: {told}.")]
