"""Sentences on the test scores: the pick against the other models, and its validation score against its test score."""

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

_OPPONENTS = {
    "winner": "the validation winner",
    "runner-up": "the runner-up",
    "default": "the default recipe",
    "baseline": "the baseline",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer with its subject, which is shown before it."""

    about: str
    text: str


def judged_by(view: View, model: FinalModel) -> str:
    """The metric of the test scores: that of the comparisons, else the first one that the model has on test."""
    return view.judge.name if view.judge.name in model.test else next(iter(model.test), view.judge.name)


def evidence(view: View, model: FinalModel | None) -> list[Sentence]:
    """Returns the sentences on the test scores of `model`, the pick; empty before the models were scored on test."""
    if model is None or not model.test:
        return []
    name = judged_by(view, model)
    others = [view.models[role] for role in _OPPONENTS if role in view.models and role != model.role]
    sentences = [_against(view, name, model, same) for same in _by_trial(others)]
    sentences = sorted(
        [*sentences, *_absent(view, model)], key=lambda sentence: sentence.about.endswith(_OPPONENTS["baseline"])
    )
    return [*sentences, *_gap(view, model, name)]


def _by_trial(models: list[FinalModel]) -> list[list[FinalModel]]:
    """The models grouped by search trial: runner-up and default recipe may be one trial."""
    groups: dict[int | str, list[FinalModel]] = {}
    for model in models:
        groups.setdefault(model.role if model.number is None else model.number, []).append(model)
    return list(groups.values())


def _against(view: View, name: str, pick: FinalModel, same: list[FinalModel]) -> Sentence:
    """The pick against another trial, with a part for each scored seed of that trial."""
    opponent = join(_OPPONENTS[model.role] for model in same)
    by_seed = {model.seed: model for model in reversed(same)}
    if same[0].number is not None and same[0].number == pick.number:
        seeds = [model for model in reversed(by_seed.values()) if model.seed != pick.seed]
        scores = "".join(f"; with seed {model.seed} it has {_score(name, model)}" for model in seeds)
        own = f", here with seed {pick.seed}" if seeds else ""
        return Sentence(f"Against {opponent}", f"Trial {pick.number} is {opponent} itself{own}{scores}.")
    parts = [_compared(view, name, model, tell_seed=len(by_seed) > 1) for model in reversed(by_seed.values())]
    return Sentence(f"Against {opponent}", f"{'; '.join(parts)}.")


def _compared(view: View, name: str, other: FinalModel, *, tell_seed: bool) -> str:
    name_of_other = f"trial {other.number}" if other.number is not None else other.name
    name_of_other += f" with seed {other.seed}" if tell_seed else ""
    compared = view.comparison(other.role)
    if compared is None:
        return f"{name_of_other} has {_score(name, other)}"
    verdict = f"{_verdict(compared)} with probability {probability_text(compared.probability)}"
    return f"{verdict}: {gain(compared.metric, compared.difference)}; {name_of_other} has {_score(name, other)}"


def _score(name: str, model: FinalModel) -> str:
    return metric(name, model.test[name].value if name in model.test else None)


def _absent(view: View, pick: FinalModel) -> Iterator[Sentence]:
    """The sentences on a missing runner-up or default recipe."""
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
    """Validation against test score; both have sampling error, so the interval of their difference is reported."""
    validation, test = model.validation.get(name), model.test[name]
    if validation is None or not isfinite(validation):
        return []
    scores = f"{metric(name, validation)} on validation, {metric(name, test.value)} on test"
    gap = _gap_interval(view, model, name)
    if not isfinite(gap.low):
        return [Sentence("Validation to test", f"{scores}.")]
    verdict = (
        "the gap is no larger than chance explains"
        if gap.low <= 0 <= gap.high
        else "the gap is larger than chance explains; trust the test figure"
    )
    bounds = f"95\u00a0% interval of the difference {difference(name, gap)}"
    return [Sentence("Validation to test", f"{scores}: {verdict} ({bounds}).")]


def _gap_interval(view: View, model: FinalModel, name: str) -> Interval:
    """Validation less test with its interval; NaN bounds without predictions and number of rows."""
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
    """The sentence on several objectives: which one decides, and the best trial of each on the Pareto front."""
    names = view.objectives
    if len(names) < 2:
        return []
    objectives = f"{join(metric_title(name) for name in names)}; {view.score_name} decides"
    values = [[view.mean(record, name).value for name in names] for record in view.completed]
    is_on = pareto_front(np.array(values).reshape(-1, len(names)), [metric_named(name).maximize for name in names])
    front = [record for record, on in zip(view.completed, is_on, strict=True) if on]
    if not front:
        return [Sentence("Objectives", f"{objectives}.")]
    best = {
        name: min(front, key=lambda record: metric_named(name).sort_key(view.mean(record, name).value))
        for name in names
    }
    leaders = "; ".join(
        f"best in {join(metric_title(name) for name in names if best[name] is record)} is trial "
        f"{record.number} ({', '.join(named_metric(name, view.mean(record, name).value) for name in names)})"
        for record in {record.number: record for record in best.values()}.values()
    )
    count = f"{len(front):,} of {plural(len(view.completed), 'completed trial')} {'is' if len(front) == 1 else 'are'}"
    return [Sentence("Objectives", f"{objectives}. {count} on the Pareto front: {leaders}.")]
