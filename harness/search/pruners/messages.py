"""The messages of pruned trials: the rung, the rank, and the value against that of the cut."""

from __future__ import annotations

from harness.records.schema import Progress
from harness.spec.tasks import TaskFacts
from harness.stats.metric import Metric
from harness.stats.shown import shown, shown_apart

__all__ = ["against", "at_most", "behind_in_rank", "equal_on", "message", "ordinal", "rank_so_far"]

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def message(rung: int, num_rungs: int, *parts: str) -> str:
    """ "rung 1 of 3: 9th of 16, the best 4 went on; 71.2 % against 78.0 %"; `rung` counts from 0.

    People search for these texts in records and JSON, so the spaces are plain ones.
    """
    return f"rung {rung + 1} of {num_rungs}: {'; '.join(parts)}".replace("\u00a0", " ")


def ordinal(number: int) -> str:
    """1 -> "1st", 12 -> "12th"."""
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"{number:,}{ending}"


def behind_in_rank(rank: int, num_reached: int, num_kept: int, num_lost: int = 0, where: str = "") -> str:
    """ "9th of 16, the best 4 went on": for a rung that all trials have reached.

    `num_lost` of the best did not go on: they were stopped before better trials failed.
    """
    went_on = f"{num_kept - num_lost:,}" if num_lost else "the best" if num_kept == 1 else f"the best {num_kept:,}"
    return f"{ordinal(rank)} of {num_reached:,}{where}, {went_on} went on"


def rank_so_far(rank: int, num_compared: int, rule: str = "", where: str = "") -> str:
    """ "9th of the 12 compared so far, at most 4 of 16 go on": while others may come. `rule` says which go on."""
    return f"{ordinal(rank)} of the {num_compared:,} compared so far{where}{f', {rule}' if rule else ''}"


def at_most(num_kept: int, num_trials: int) -> str:
    """ "at most 4 of 16 go on"."""
    return f"at most {num_kept:,} of {num_trials:,} {'goes' if num_kept == 1 else 'go'} on"


def against(metric: Metric, own: float | None, other: float | None, *, equal: bool = False) -> str:
    """ "71.2 % against 78.0 %"; a speed names its unit. Near values have as many digits as differ, unless `equal`."""
    first, second = (shown(metric, own), shown(metric, other)) if equal else shown_apart(metric, own, other)
    return f"{first} against {second}{f' {metric.title}' if metric.unit == '1/s' else ''}"


def equal_on(task: TaskFacts, objective: str, own: Progress, other: Progress) -> str:
    """ "72.0 % against 71.5 %, equal on 132 rows: log loss 0.512 against 0.498".

    For trials whose values of the objective count as equal at a rung, so that their losses decided, or their numbers.
    """
    metric, loss = task.metric(objective), task.metric(task.loss)
    values = [progress.metrics.get(objective) for progress in (own, other)]
    losses = [progress.metrics.get(loss.name) for progress in (own, other)]
    where = f"equal on {own.num_rows:,} rows" if metric.is_like_share else "equal"
    by_loss = loss.sort_key(losses[0]) != loss.sort_key(losses[1])
    why = f"{loss.title} {against(loss, *losses)}" if by_loss else "the lower trial number goes first"
    return f"{against(metric, *values, equal=True)}, {where}: {why}"
