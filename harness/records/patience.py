"""Patience: a trial ends where several evaluations in a row have not bettered its first objective.

Whether it does follows from its config and its history alone. Only evaluations on as many validation rows as the last
one of a training can end a trial, and only after one of them that may be kept (`best_progress`).
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.records.schema import Progress, best_progress, metrics_of
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig

__all__ = ["as_judged", "end_message", "is_out_of_patience"]


def is_out_of_patience(history: Sequence[Progress], config: TrialConfig, num_rows: int) -> bool:
    """Returns True when the last evaluation of `history` ends a trial before the end of its training.

    `num_rows` is the number of validation rows of an evaluation at the end of a training.
    """
    patience, last = config.training.patience, history[-1]
    if patience is None or last.step >= last.total_steps or last.num_rows != num_rows:
        return False
    return _num_idle(history, config) >= patience


def end_message(history: Sequence[Progress], config: TrialConfig) -> str:
    """Returns in one line where and why patience ended a trial; "" for all other trials."""
    if not history or not history[-1].out_of_patience:
        return ""
    last, count = history[-1], _num_idle(history, config)
    title = facts_of(config.task).metric(config.objectives[0]).title
    evaluations = "1 evaluation" if count == 1 else f"{count:,} evaluations"
    return f"ended after {evaluations} without a better {title} at step {last.step:,} of {last.total_steps:,}"


def as_judged(history: Sequence[Progress], config: TrialConfig) -> list[Progress]:
    """Returns `history` as pruners see it: the evaluation at which patience ended a trial has the best metrics."""
    best = best_progress(history, config)
    if best is None or not history[-1].out_of_patience:
        return list(history)
    return [*history[:-1], history[-1].model_copy(update={"metrics": metrics_of(best, history[-1])})]


def _num_idle(history: Sequence[Progress], config: TrialConfig) -> int:
    """Returns how many evaluations came after the best one."""
    best = best_progress(history, config)
    return 0 if best is None else sum(progress.step > best.step for progress in history)
