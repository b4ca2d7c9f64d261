"""Trials that were trained to the same share of their trainings, and the trials that were pruned early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from harness.records.schema import PruneReason, TrialRecord, TrialState
from harness.report.kit.sections import Sentence
from harness.report.kit.text import percent, plural
from harness.report.kit.view import View
from harness.spec.rungs import rung_fractions
from harness.spec.steps import step_at

__all__ = ["EqualLength", "equal_length", "judged_early"]

#: A trial that was pruned after more than this share of its training was not judged early.
_EARLY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualLength:
    """The metrics of trials after the same share of their trainings: by number, the best trial first.

    `steps` are the fewest and the most steps that one of them had made there.
    """

    share: float
    metrics: Mapping[int, Mapping[str, float]]
    steps: tuple[int, int]


def equal_length(view: View, least: int) -> EqualLength | None:
    """The trials at the last share of the training that at least `least` have reached; None where there is none.

    The shares are those of the study's rungs and the whole training.
    """
    rungs = rung_fractions(view.results.spec)
    for rung, share in reversed([*enumerate(rungs), (None, 1.0)]):
        reached = {record.number: _at(record, rung) for record in view.trials}
        steps = {number: at[0] for number, at in reached.items() if at is not None}
        metrics = {
            number: at[1]
            for number, at in reached.items()
            if at is not None and isfinite(at[1].get(view.objective, float("nan")))
        }
        if len(metrics) >= least:
            ranked = sorted(metrics, key=lambda number: (*view.task.rank_key(metrics[number], view.objective), number))
            made = [steps[number] for number in ranked]
            return EqualLength(
                share=share, metrics={number: metrics[number] for number in ranked}, steps=(min(made), max(made))
            )
    return None


def _at(record: TrialRecord, rung: int | None) -> tuple[int, Mapping[str, float]] | None:
    """The steps and metrics of a trial at a rung, or with None those of a completed trial; None where it has none."""
    if rung is None:
        done = record.state is TrialState.COMPLETE and record.history
        return (record.history[-1].step, record.metrics) if done else None
    share = record.config.rungs[rung] if rung < len(record.config.rungs) else None
    at_rung = (
        (progress.step, progress.metrics)
        for progress in record.history
        if share is not None and progress.step == step_at(progress.total_steps, share)
    )
    return next(at_rung, None)


def judged_early(view: View) -> Iterator[Sentence]:
    """A sentence on the share of the training at which most trials were stopped, where that was in the first half."""
    ended = [record for record in view.trials if record.state.ended]
    pruned = [record for record in ended if record.state is TrialState.PRUNED and record.reason is PruneReason.RUNG]
    if 2 * len(pruned) <= len(ended):
        return
    share = sorted(map(view.results.trained, pruned))[len(ended) // 2]
    judged = [record for record in pruned if view.results.trained(record) <= share]
    steps = sorted({record.history[-1].step for record in judged})
    made = plural(steps[0], "step") if len(steps) == 1 else f"{steps[0]:,} to {plural(steps[-1], 'step')}"
    most = max(record.reached for record in judged)
    if share <= _EARLY:
        stopped = f"{plural(len(ended), 'trial')} {'was' if len(judged) == 1 else 'were'} stopped"
        yield Sentence(
            "Pruning", f"{len(judged):,} of {stopped} after at most {percent(most, 0)} of their training ({made})."
        )
