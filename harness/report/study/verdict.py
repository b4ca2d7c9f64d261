"""Sentences that compare the winner with the other models on test."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import numpy as np

from harness.records.final import FinalModel
from harness.records.schema import BUDGET, TrialRecord, TrialState
from harness.report.kit.sections import Sentence
from harness.report.kit.text import (
    capitalised,
    clip,
    difference,
    gain,
    join,
    metric,
    metric_title,
    param,
    param_name,
    percent,
    probability_text,
    verdict_word,
)
from harness.report.kit.view import View
from harness.report.study.predictions import answers_of
from harness.report.study.sampling import detectable, gap
from harness.report.study.serving import alternative, checkpoint_lines
from harness.spec.configure import arm_of, moved_defaults, search_space
from harness.spec.study import StudySpec

__all__ = ["evidence", "judged_by", "moved_text"]

_OPPONENTS = {"runner-up": "the runner-up", "default": "the default recipe"}


def judged_by(view: View, model: FinalModel) -> str:
    """The metric of the test scores: that of the comparisons, else the first one that the model has on test."""
    return view.judge.name if view.judge.name in model.test else next(iter(model.test), view.judge.name)


def evidence(view: View, model: FinalModel | None) -> list[Sentence]:
    """Returns the sentences on the test scores of `model`, the winner; empty before the models were scored on test."""
    if model is None or not model.test:
        return []
    name = judged_by(view, model)
    others = [other for other in view.models.values() if other.kind in _OPPONENTS]
    return [
        *(_against(view, name, model, same) for same in _by_trial(others)),
        *_absent(view, model),
        *_against_baselines(view, name),
        *checkpoint_lines(view, name, model),
        *alternative(view, model),
        *gap(view, model, name),
        *detectable(view),
    ]


def _by_trial(models: list[FinalModel]) -> list[list[FinalModel]]:
    """The models grouped by search trial: runner-up and default recipe may be one trial."""
    groups: dict[int | str, list[FinalModel]] = {}
    for model in models:
        groups.setdefault(model.role if model.number is None else model.number, []).append(model)
    return list(groups.values())


def _against(view: View, name: str, pick: FinalModel, same: list[FinalModel]) -> Sentence:
    """The pick against another trial, with a part for each scored seed of that trial."""
    opponent = join(_OPPONENTS[model.kind] for model in same)
    by_seed = {model.seed: model for model in reversed(same)}
    moved = _moved(view, pick) if any(model.kind == "default" for model in same) else ""
    if same[0].number is not None and same[0].number == pick.number:
        seeds = [model for model in reversed(by_seed.values()) if model.seed != pick.seed]
        scores = "".join(f"; with seed {model.seed} it has {_score(name, model)}" for model in seeds)
        own = f", here with seed {pick.seed}" if seeds else ""
        return Sentence(f"Against {opponent}", f"Trial {pick.number} is {opponent} itself{own}{scores}.{moved}")
    parts = [_compared(view, name, model, tell_seed=len(by_seed) > 1) for model in reversed(by_seed.values())]
    text = f"{'; '.join(parts)}."
    return Sentence(f"Against {opponent}", f"{capitalised(text)}{_unlucky(view, same)}{moved}")


def _compared(view: View, name: str, other: FinalModel, *, tell_seed: bool) -> str:
    """ "better (probability ...): +4.0 points of accuracy (95 % interval +1.4 to +6.6); trial 5 has 84.2 %"."""
    name_of_other = f"trial {other.number}" if other.number is not None else clip(other.name)
    name_of_other += f" with seed {other.seed}" if tell_seed else ""
    compared = view.comparison(other.role)
    if compared is None:
        return f"{name_of_other} has {_score(name, other)}"
    if not isfinite(compared.difference.value):
        return f"cannot be compared by {metric_title(compared.metric)}; {name_of_other} has {_score(name, other)}"
    verdict = verdict_word(compared)
    if compared.tie and compared.difference.low * compared.difference.high > 0:
        verdict += " by McNemar's test, which such shares need too"
    if not compared.tie:
        verdict += f" (probability of being better {probability_text(compared.probability)})"
    return f"{verdict}: {gain(compared.metric, compared.difference)}; {name_of_other} has {_score(name, other)}"


def _unlucky(view: View, same: list[FinalModel]) -> str:
    """What to make of a runner-up that is better on test."""
    pairs = [view.comparison(model.role) for model in same if model.kind == "runner-up"]
    if not any(pair is not None and verdict_word(pair) == "worse" for pair in pairs):
        return ""
    return (
        " Validation may have been unlucky, or test: the choice stays with validation, because a model chosen on test "
        "has no fair test score."
    )


def _moved(view: View, pick: FinalModel) -> str:
    """Where the study's space excludes a default: what the default recipe has instead."""
    record = view.by_number.get(pick.number) if pick.number is not None else None
    moved = moved_text(view.results.spec, arm_of(view.results.spec, record.params) if record else None)
    return f" In this study the default recipe has {moved}." if moved else ""


def moved_text(spec: StudySpec, arm: str | None = None) -> str:
    """ "learning rate 1e-4 (fixed) instead of 5e-5": where the study excludes defaults; "" where it has them all."""
    space = {one.name for one in search_space(spec)}
    return join(
        f"{param_name(name)} {param(value)}{'' if name in space else ' (fixed)'} instead of {param(default)}"
        for name, (default, value) in moved_defaults(spec, arm).items()
    )


def _score(name: str, model: FinalModel) -> str:
    return metric(name, model.test[name].value if name in model.test else None)


def _having(view: View, name: str, model: FinalModel) -> str:
    """Returns what follows the name of a model: its score, or why it has none."""
    if name in model.test and isfinite(model.test[name].value):
        return f"which has {_score(name, model)}"
    answers = answers_of(view, model)
    outputs = [np.asarray(values) for values in answers.outputs.values()] if answers is not None else []
    if outputs and all(values.dtype.kind == "f" and not np.ptp(values, axis=0).any() for values in outputs):
        return f"which gives every row the same answer, so that its {metric_title(name)} is not defined"
    return f"whose {metric_title(name)} is not defined"


def _absent(view: View, pick: FinalModel) -> Iterator[Sentence]:
    """The sentences on a missing runner-up or default recipe."""
    if "runner-up" not in view.models:
        others = len(view.completed) > 1
        why = "Only one configuration was confirmed" if others else "No other trial completed"
        if others and sum(row.may_win for row in view.rows.values()) < 2:
            why = "No other trial meets the constraints"
        yield Sentence("Against the runner-up", f"{why}, so there is none.")
    default = view.default_of(pick)
    if "default" in view.models or default is None:
        return
    if default.number == pick.number:
        text = f"Trial {pick.number} is the default recipe itself."
    else:
        text = f"The default recipe (trial {default.number}) {_ended(default)}, so it has no test score."
    yield Sentence("Against the default recipe", f"{text}{_moved(view, pick)}")


def _ended(record: TrialRecord) -> str:
    if record.state is TrialState.PRUNED:
        how = "given up for lack of time" if record.message == BUDGET else "pruned"
        return f"was {how} at {percent(record.reached, 0)}"
    kept = {TrialState.FAIL: "failed", TrialState.COMPLETE: "was not among the models kept"}
    return kept.get(record.state, "did not end")


def _against_baselines(view: View, name: str) -> list[Sentence]:
    """One sentence on all baselines, the strongest on validation first."""
    baselines = [model for model in view.models.values() if model.kind == "baseline"]
    parts = []
    for model in baselines:
        compared, text = view.comparison(model.role), f"{clip(model.name, 80)}, {_having(view, name, model)}"
        if compared is None and name not in model.test:
            text = f"not compared with {clip(model.name, 80)}, which has no {metric_title(name)}"
        elif compared is not None and not isfinite(compared.difference.value):
            text = f"not comparable with {text}"
        elif compared is not None:
            phrase = verdict_word(compared) + (" from" if compared.tie else " than")
            bounds = difference(compared.metric, compared.difference)
            text = f"{phrase} {text} (95\u00a0% interval of the difference {bounds})"
        parts.append(text)
    about = "Against the baseline" if len(baselines) == 1 else "Against the baselines"
    return [Sentence(about, f"{capitalised('; '.join(parts))}.")] if parts else []
