"""The warnings of a decision, a sentence each: what a reader should know before the winner is used."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.answers import Answers
from harness.data.prepared import PreparedData
from harness.jobs.finalists import num_pruned_at_chance
from harness.records.final import Comparison, Finalist, FinalModel, warnings_among
from harness.records.schema import TrialRecord
from harness.report.kit.text import ComparedModels, clip, join, plural, verdict_word
from harness.spec.study import StudySpec
from harness.tasks import task_of

__all__ = ["decision_warnings", "not_better_than", "pruning_warnings"]


def decision_warnings(
    spec: StudySpec,
    data: PreparedData,
    trials: Sequence[TrialRecord],
    finalists: Sequence[Finalist],
    models: Sequence[FinalModel],
    comparisons: Sequence[Comparison],
    answers: Answers,
    facts: Sequence[str],
) -> tuple[str, ...]:
    """Returns the warnings on the winner, whose test answers are `answers`, and those among the facts of the data.

    `finalists` have the means over seeds, `models` are all that were scored on test, the winner first; `comparisons`
    are of the winner with each other one that has the metric which compares models.
    """
    task = task_of(spec.task)
    return (
        *_without_baselines(models),
        *_not_better(models, comparisons),
        *task.answer_warnings(answers.outputs, answers.targets, data.names),
        *([] if _beats_a_baseline(models, comparisons) else pruning_warnings(spec, data, trials, finalists)),
        *_small_test(spec, models[0]),
        *warnings_among(facts),
    )


def _without_baselines(models: Sequence[FinalModel]) -> list[str]:
    if any(model.kind == "baseline" for model in models):
        return []
    return ["No baseline was scored on test, so nothing shows that the winner is better than a guess."]


def _beats_a_baseline(models: Sequence[FinalModel], comparisons: Sequence[Comparison]) -> bool:
    """True when the winner is better on test than a baseline by more than chance: it is more than a guess then."""
    baselines = {model.role for model in models if model.kind == "baseline"}
    return any(pair.b in baselines and not pair.tie and models[0].wins(pair) for pair in comparisons)


def _not_better(models: Sequence[FinalModel], comparisons: Sequence[Comparison]) -> list[str]:
    """Warns of baselines, and of a default recipe, that the winner is not better than beyond chance."""
    against = {pair.b: pair for pair in comparisons}
    winner, others = models[0], models[1:]
    # A baseline may lack the metric: an answer that was looked up has no loss.
    not_beaten = [model for model in others if model.role in against and not winner.wins(against[model.role])]
    simple = [(model.name, against[model.role]) for model in not_beaten if model.kind == "baseline"]
    sentences = _not_beaten(simple, "The winner")
    for model in others:
        if model.kind == "runner-up" and verdict_word(against[model.role]) == "worse":
            sentences.append(f"The runner-up, trial {model.number}, is better on test by more than chance.")
    if any(model.kind == "default" and model.number != winner.number for model in not_beaten):
        sentences.append("The winner is not shown to be better than the default recipe: the search found no sure gain.")
    return sentences


def not_better_than(pairs: Sequence[tuple[str, ComparedModels]], who: str) -> list[str]:
    """Warns of the baselines, by name with the comparison of `who` with each, that `who` does not beat."""
    return _not_beaten([(name, pair) for name, pair in pairs if pair.tie or pair.probability < 0.5], who)


def _not_beaten(pairs: Sequence[tuple[str, ComparedModels]], who: str) -> list[str]:
    worse = [clip(name, 80) for name, pair in pairs if not pair.tie]
    tied = [clip(name, 80) for name, pair in pairs if pair.tie]
    sentences = [f"{who} is worse than {join(worse)} on test: use that, or train longer."] if worse else []
    sentences += [f"{who} is not shown to be better than {join(tied)} on test."] if tied else []
    return sentences


def _small_test(spec: StudySpec, winner: FinalModel) -> list[str]:
    metric = task_of(spec.task).facts.judged_by(spec.search.objectives)
    bounds = winner.test[metric.name]
    if not metric.percent or bounds.high - bounds.low <= 0.1:
        return []
    return [f"The test split is small: the interval is {100 * (bounds.high - bounds.low):.0f} points wide."]


def pruning_warnings(
    spec: StudySpec, data: PreparedData, trials: Sequence[TrialRecord], finalists: Sequence[Finalist]
) -> tuple[str, ...]:
    """A warning where no completed trial is better than chance and pruning may be the cause; else empty.

    A trial among the `finalists` counts with its mean over seeds.
    """
    count = num_pruned_at_chance(spec, trials, finalists, task_of(spec.task).chance(data), data.meta.rows["validation"])
    if not count:
        return ()
    return (
        f"No completed trial is better than a guess on validation, and {plural(count, 'trial')} "
        f"{'was' if count == 1 else 'were'} pruned: pruning may be the cause; search.pruner.name=none switches it off.",
    )
