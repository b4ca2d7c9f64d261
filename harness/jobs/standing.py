"""What the card of a model says of its place in the study: how it was chosen, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.prepared import PreparedData
from harness.jobs.decision_warnings import not_better_than
from harness.records.final import FinalModel, PredictionSpeed, warnings_among
from harness.records.results import Results
from harness.report.kit.text import plural
from harness.report.kit.view import View
from harness.report.study.predictions import answers_of, compared, units_of
from harness.tasks import task_of

__all__ = ["Standing", "of_trial", "of_winner"]

_ROLES = {
    "winner": "the winner of an earlier decision, before the study went on",
    "runner-up": "its runner-up",
    "default": "its default recipe",
    "checkpoint": "the best trial of its checkpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`place` follows "by trial 4 of the study s", `chosen` stands under the scores, then come the `warnings`."""

    place: str
    chosen: str
    warnings: tuple[str, ...] = ()
    speed: PredictionSpeed | None = None


def of_winner(num_trials: int, warnings: tuple[str, ...], speed: PredictionSpeed | None) -> Standing:
    """The standing of the winner of `num_trials` trials."""
    return Standing(
        place=f"the winner of {plural(num_trials, 'trial')}",
        chosen="The choice was made on validation, before this model was scored on test.",
        warnings=warnings,
        speed=speed,
    )


def of_trial(results: Results, data: PreparedData, model: FinalModel | None) -> Standing:
    """The standing of a trial that is not the winner; `model` is it as it was scored on test, None where it was not."""
    warnings = tuple(warnings_among(results.facts))
    if model is None:
        chosen = "These are validation scores; this model was not scored on the test split."
        return Standing(place="which is not the winner of its study", chosen=chosen, warnings=warnings)
    winner = results.final.winner if results.final else None
    place = f"which is not the winner of its study (trial {winner}) but {_ROLES[model.kind]}"
    return Standing(
        place="which is not the winner of its study" if winner is None else place,
        chosen="It was scored on test as one of a list that was fixed before. The choice of the study, made on "
        "validation, is another trial; a model that is chosen by its test score has no fair one.",
        warnings=(*_of_answers(results, data, model), *warnings),
        speed=model.speed,
    )


def _of_answers(results: Results, data: PreparedData, model: FinalModel) -> tuple[str, ...]:
    """The warnings on the answers on test of a model, where they were kept."""
    view = View(results)
    answers = answers_of(view, model)
    if answers is None:
        return ()
    baselines = [other for other in view.models.values() if other.kind == "baseline"]
    units = units_of(view, "test")
    pairs = [(other, compared(view.judge, answers, answers_of(view, other), units)) for other in baselines]
    return (
        *not_better_than([(other.name, pair) for other, pair in pairs if pair is not None], "This model"),
        *task_of(results.spec.task).answer_warnings(answers.outputs, answers.targets, data.names),
    )
