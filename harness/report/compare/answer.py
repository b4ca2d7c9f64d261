"""Sentences that compare the picks of several runs, or say why the runs cannot be ranked."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.answers import Answers
from harness.report.kit.sections import Sentence
from harness.report.kit.text import (
    capitalised,
    gain,
    interval,
    join,
    metric,
    metric_title,
    param,
    param_name,
    probability_text,
    verdict_word,
)
from harness.report.kit.view import View
from harness.report.study.answer import Answer
from harness.report.study.predictions import answers_of, compared, cut_alike, units_of
from harness.stats.intervals import Interval
from harness.stats.resampling import PairedComparison

__all__ = ["Named", "compare_answer", "compared_picks", "cut_differently", "may_share_axis", "scored"]

Named = Sequence[tuple[str, View]]


def scored(view: View, name: str) -> Interval | None:
    """The test score of a run's pick by the metric `name`; None without a test score."""
    return view.chosen.test.get(name) if view.chosen is not None else None


def compared_picks(a: View, b: View, name: str) -> PairedComparison | None:
    """The paired comparison of the picks of `a` and `b` on test by a metric; None where their test rows differ."""
    if a.task.name != b.task.name or name not in a.task.objectives or _data(a) != _data(b):
        return None
    return compared(a.task.metric(name), _answers(a), _answers(b), units_of(a, "test"))


def may_share_axis(runs: Named, name: str) -> bool:
    """True when the scores of all runs by `name` are of the same rows, cut into the same numbers of tokens."""
    return len({_data(view) for _, view in runs}) == 1 and not cut_differently(runs, name)


def _answers(view: View) -> Answers | None:
    return answers_of(view, view.chosen) if view.chosen is not None else None


def cut_differently(runs: Named, name: str) -> bool:
    """True when the metric `name` is by tokens, and the picks' tokenizers cut the same test rows differently."""
    answers = [found for _, view in runs if name in view.task.objectives and (found := _answers(view)) is not None]
    metric = runs[0][1].task.metric(name)
    return any(other.same_targets(answers[0]) and not cut_alike(metric, answers[0], other) for other in answers[1:])


def _data(view: View) -> str:
    return view.results.manifest.data.sha256


def compare_answer(runs: Named, name: str) -> Answer:
    """Returns which of `runs` (best first by the metric `name`) has the best pick, or why they cannot be ranked."""
    with_score = [(label, view, score) for label, view in runs if (score := scored(view, name)) is not None]
    warnings = tuple(
        f"{label} {_unscored(view, name)}, so it cannot be compared."
        for label, view in runs
        if scored(view, name) is None
    )
    pairs = [
        pair for _, view, _ in with_score[1:] if (pair := compared_picks(with_score[0][1], view, name)) is not None
    ]
    if not pairs or len(pairs) < len(with_score) - 1:
        return Answer(
            headline=_not_ranked(runs, with_score, name),
            params=(),
            score="",
            score_of="",
            sentences=(),
            warnings=warnings,
        )
    (best, view, best_score), pick = with_score[0], with_score[0][1].winner
    ties, sentences = [(best, view)], []
    for (label, other, score), pair in zip(with_score[1:], pairs, strict=True):
        ties += [(label, other)] if pair.tie else []
        word = verdict_word(pair)
        probability = "" if pair.tie else f" (probability of being better {probability_text(pair.probability)})"
        text = f"{capitalised(word)}{probability}: {gain(name, pair.difference)}"
        sentences.append(Sentence(f"Against {label}", f"{text}; it has {metric(name, score.value)}."))
    return Answer(
        headline=_headline(ties),
        params=tuple((param_name(key), param(value)) for key, value in pick.params.items()) if pick else (),
        score=metric(name, best_score.value),
        score_of=f"test {metric_title(name)} of {best}, 95 % interval {interval(name, best_score)}",
        sentences=tuple(sentences),
        warnings=warnings,
    )


def _unscored(view: View, name: str) -> str:
    """Says that a run lacks a test score by the metric `name`, and why."""
    if name not in view.task.objectives:
        return f"is a run of {view.task.name}, which has no metric {metric_title(name)}"
    if view.results.nearest() is not None:
        return "has no test score: no trial meets its constraints"
    pending = view.completed or not all(record.state.ended for record in view.trials)
    return f"has no test score{' yet' if pending else ': no trial completed'}"


def _without_common_metric(runs: Named) -> bool:
    """True when no metric, costs apart, is one of every run's task."""
    return not set.intersection(*({metric.name for metric in view.task.metrics} for _, view in runs))


def _not_ranked(runs: Named, with_score: Sequence[tuple[str, View, Interval]], name: str) -> str:
    """The headline where no order can be given, and why."""
    if _without_common_metric(runs):
        return "The runs cannot be ranked: they have no metric in common"
    if not with_score:
        return "No run has a test score yet"
    if len(with_score) == 1:
        return f"The runs cannot be ranked: only {with_score[0][0]} has a test score"
    if not with_score[0][1].task.metric(name).has_formula:
        return (
            f"The runs cannot be ranked: {metric_title(name)} is a metric of a user's own, whose code is not run here"
        )
    if missing := [label for label, view, _ in with_score if _answers(view) is None]:
        return f"The runs cannot be ranked: the test predictions of {join(missing)} are gone"
    if cut_differently([(label, view) for label, view, _ in with_score], name):
        free = join(metric.title for metric in with_score[0][1].task.metrics if not metric.by_tokens)
        return (
            f"The runs cannot be ranked by {metric_title(name)}: it depends on the tokenizer, and theirs cut the test "
            f"rows differently; compare them by {free}"
        )
    return "The runs cannot be ranked: they were scored on different test rows"


def _headline(ties: Named) -> str:
    """The headline with the best run; where others tie with it, also the one whose pick trains fastest."""
    if len(ties) == 1:
        return f"{ties[0][0]} has the best pick"
    speeds = {label: view.cost(view.winner, "samples_per_second") for label, view in ties if view.winner is not None}
    fastest, second = sorted(speeds, key=lambda label: -speeds[label])[:2]
    headline = f"{join(label for label, _ in ties)} tie"
    return f"{headline}; {fastest} trains fastest" if speeds[fastest] > 1.05 * speeds[second] else headline
