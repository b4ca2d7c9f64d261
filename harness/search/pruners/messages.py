"""The messages of pruned trials: where they were compared, their rank, and their value beside that of the cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records.schema import Progress
from harness.spec.requirement import Requirement
from harness.spec.tasks import TaskFacts
from harness.stats.metric import Metric
from harness.stats.shown import shown, shown_apart

__all__ = [
    "BESIDE_DEFAULT",
    "against",
    "ahead_beyond_noise",
    "at_most",
    "behind_in_rank",
    "beyond",
    "equal_on",
    "message",
    "not_a_number",
    "of_place",
    "only_the_best",
    "ordinal",
    "rank_so_far",
]

#: Follows a ranking that leaves out the default recipe, which is never stopped.
BESIDE_DEFAULT = ", beside the default recipe"
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def message(rung: int, num_rungs: int, ranking: str, values: str = "") -> str:
    """ "stopped at rung 1 of 3, where trials are compared: RANKING (VALUES)"; `rung` counts from 0.

    People search for these texts in records and JSON, so the spaces are plain ones.
    """
    why = f"{ranking} ({values})" if values else ranking
    return f"stopped at rung {rung + 1} of {num_rungs}, where trials are compared: {why}".replace("\u00a0", " ")


def ordinal(number: int) -> str:
    """1 -> "1st", 12 -> "12th"."""
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"{number:,}{ending}"


def of_place(place: int) -> str:
    """1 -> "the best", 4 -> "the 4th best"."""
    return "the best" if place == 1 else f"the {ordinal(place)} best"


def behind_in_rank(rank: int, num_reached: int, num_kept: int, num_lost: int = 0, where: str = "") -> str:
    """ "it was 9th of 16, and only the best 4 trained on": for a rung that all trials have reached.

    `num_lost` of the best did not train on: they were stopped before better trials failed.
    """
    kept = f"{num_kept - num_lost:,}" if num_lost else "the best" if num_kept == 1 else f"the best {num_kept:,}"
    return f"it was {ordinal(rank)} of {num_reached:,}{where}, and only {kept} trained on"


def rank_so_far(rank: int, num_compared: int, rule: str, where: str = "") -> str:
    """ "it was 9th of the 12 that had come so far, and RULE": while others may come. `rule` says which train on."""
    return f"it was {ordinal(rank)} of the {num_compared:,} that had come so far{where}, and {rule}"


def at_most(num_kept: int, num_trials: int) -> str:
    """ "at most 4 of all 16 train on"."""
    return f"at most {num_kept:,} of all {num_trials:,} {'trains' if num_kept == 1 else 'train'} on"


def only_the_best(num_kept: int) -> str:
    """ "only the best 4 of them train on"."""
    return "only the best of them trains on" if num_kept == 1 else f"only the best {num_kept:,} of them train on"


def against(metric: Metric, own: float | None, other: float | None, whose: str) -> str:
    """ "accuracy 71.2 %; the 4th best had 78.0 %", if `whose` is "the 4th best had".

    Near values have as many digits as tell them apart.
    """
    first, second = shown_apart(metric, own, other)
    return f"{metric.title} {first}; {whose} {second}"


def beyond(violated: Sequence[Requirement], metrics: Mapping[str, float]) -> str:
    """ "peak memory 2,100 MiB violates peak_memory_mib <= 2000": the constraints that a trial does not meet so far."""
    return "; ".join(
        f"{each.metric.title} {shown_apart(each.metric, each.measured(metrics), each.limit)[0]} violates {each.text}"
        for each in violated
    )


def ahead_beyond_noise(metric: Metric, value: float | None, whose: str) -> str:
    """ "; the best, with log loss 0.386, is ahead by more than noise", if `whose` is "the best".

    For a trial that the last one that goes on is ahead of by less.
    """
    return f"; {whose}, with {metric.title} {shown(metric, value)}, is ahead by more than noise"


def not_a_number(metric: Metric) -> str:
    """ "its accuracy is not a number"."""
    return f"its {metric.title} is not a number"


def equal_on(task: TaskFacts, objective: str, own: Progress, other: Progress, whose: str) -> str:
    """ "accuracy 72.0 %; the best had 71.5 %; these are too near on 132 rows to tell them apart, so log loss ...".

    For trials whose values of the objective count as equal at a rung, so that their losses decided, or their numbers.
    """
    metric, loss = task.metric(objective), task.metric(task.loss)
    values = [shown(metric, progress.metrics.get(objective)) for progress in (own, other)]
    losses = [progress.metrics.get(loss.name) for progress in (own, other)]
    where = f" on {own.num_rows:,} rows" if metric.is_like_share else ""
    near = "equal" if values[0] == values[1] else f"too near{where} to tell them apart"
    if loss.sort_key(losses[0]) == loss.sort_key(losses[1]):
        why = "the trial with the lower number was preferred"
    else:
        why = f"{loss.title} decided: {' against '.join(shown_apart(loss, *losses))}"
    return f"{metric.title} {values[0]}; {whose} {values[1]}; these are {near}, so {why}"
