"""The rungs of one arm: which trials may still reach each of them, and which have, best first."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from harness.records.schema import Progress
from harness.spec.rungs import TrialRungs
from harness.spec.tasks import TaskFacts

__all__ = ["Judged", "Ladder", "Ranked", "Rung", "RungTrial", "rung_key"]


class Judged(NamedTuple):
    """A trial's result at a rung; the better one sorts first, and of equals the lower number.

    `key` is the number of constraints that it violates, then its `rung_key`.
    """

    key: tuple[float, float, float]
    number: int
    progress: Progress


#: One trial that has left chance is not enough for a rung to drop those that have not.
FEW = 2

IsAhead = Callable[[Judged, Judged], bool]
"""Whether the first trial is better than the second by more than the noise of the rows."""


@dataclass(slots=True, kw_only=True)
class Rung:
    """One rung of one arm; `share` of its trials go on, and those that may be as good as these.

    `is_early`: it comes before `EARLY` of the training. `coming` are trials that train towards it, `reached` all that
    were evaluated at it, the best first, `better` those of them that are better than the trivial baseline, `waiting`
    those that are paused here, `dropped` those that were stopped here. No trial behind the first `cut` reached ones
    waits. `settled`: no further trial can reach the rung. `is_ranked_early`: a further trial does not change which of
    two others is better.
    """

    is_ranked_early: ClassVar[bool] = True
    share: float
    is_early: bool = False
    coming: set[int] = field(default_factory=set)
    reached: list[Judged] = field(default_factory=list)
    better: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    cut: int = 0
    settled: bool = False

    def reach(self, judged: Judged) -> None:
        """Adds a trial that was evaluated here."""
        insort(self.reached, judged)

    def rank(self) -> None:
        """Sorts the trials reached, the best first, once all have come; here they are sorted all along."""

    def place(self, judged: Judged) -> int:
        """Returns the trial's place among those reached, 0 for the best, or the place it would have."""
        return bisect_left(self.reached, judged)

    def holds(self, judged: Judged) -> bool:
        """Returns True when the trial has reached the rung and counts there."""
        at = self.place(judged)
        return self.reached[at : at + 1] == [judged]

    def num_ahead(self, quota: int) -> int:
        """Returns how many of the best must be ahead of a trial by more than noise for it to be dropped.

        At an early rung half of the quota. Later the best alone; but `FEW`, or a quarter of the quota, while fewer
        trials than that are better than the trivial baseline: the first that left chance says little of the others.
        That may be one more than a quota of 1, and never more than the trials of a rung that drops any.
        """
        if self.is_early:
            return -(-quota // 2)
        few = max(FEW, -(-quota // 4))
        return 1 if len(self.better) >= few else few

    def num_going_on(self, ranked: Sequence[Judged] | Ranked, quota: int, num_reached: int, is_ahead: IsAhead) -> int:
        """Returns how many of `num_reached` trials go on: at least `quota`, and all where there is no signal.

        `ranked` are those that have come, the best first. A trial behind the quota is dropped when the best trial is
        ahead of it, at an early rung when half of the quota is: then few trials have learned anything, and those that
        did first need not end as the best.
        """
        behind = range(quota, len(ranked))
        if not behind:
            return num_reached
        ahead = ranked[self.num_ahead(quota) - 1]
        first = quota + bisect_left(behind, True, key=lambda place: is_ahead(ahead, ranked[place]))
        return first if first < len(ranked) else num_reached

    def forget(self, judged: Judged) -> None:
        """Removes a failed trial."""
        if self.holds(judged):
            self.reached.remove(judged)
        self.better.discard(judged.number)


class Ranked:
    """The trials that reached a rung, best first, without the at most one trial `outside`, which has no rank there."""

    def __init__(self, rung: Rung, outside: set[int]) -> None:
        self._rung = rung
        self._num_outside = len(outside)
        places = (at for at, judged in enumerate(rung.reached) if judged.number in outside)
        self._left_out = next(places, len(rung.reached)) if outside else len(rung.reached)

    def __len__(self) -> int:
        return len(self._rung.reached) - self._num_outside

    def __getitem__(self, at: int) -> Judged:
        return self._rung.reached[at + (self._left_out <= at)]

    def rank(self, judged: Judged) -> int:
        """Returns the trial's rank, 1 for the best."""
        at = self._rung.place(judged)
        return at + 1 - (self._left_out < at)


@dataclass(slots=True)
class RungTrial:
    """A trial: its results at the rungs passed, by rung, and the rungs at which it was `better` than the baseline."""

    arm: int
    rungs: TrialRungs
    judged: dict[int, Judged] = field(default_factory=dict)
    better: set[int] = field(default_factory=set)

    @property
    def first(self) -> int | None:
        """The first rung at which it is judged."""
        return next((index for index, share in enumerate(self.rungs) if share is not None), None)


class Ladder:
    """The rungs of one arm; the full training comes after the last. `kept` is the trial that is never dropped."""

    def __init__(self, rungs: Sequence[Rung]) -> None:
        self.rungs = rungs
        self.kept: tuple[int, RungTrial] | None = None
        self.expected = 0
        self.added = 0

    @property
    def kept_numbers(self) -> set[int]:
        """The number of the trial that is never dropped, if there is one."""
        return set() if self.kept is None else {self.kept[0]}

    def still_coming(self, index: int) -> int:
        """Returns how many trials can still reach a rung at most."""
        rung = self.rungs[index]
        if index == 0:
            return len(rung.coming) + max(0, self.expected - self.added)
        before = self.rungs[index - 1]
        return len(rung.coming) + (0 if before.settled else len(before.waiting) + self.still_coming(index - 1))


def rung_key(progress: Progress, objective: str, task: TaskFacts, *, by_loss: bool = False) -> tuple[float, float]:
    """Returns a key that sorts the better trial first: by the loss, or by the objective and among equals by the loss.

    What is like a share is compared in steps of its noise.
    """
    if by_loss:
        of_objective, of_loss = task.rank_key(progress.metrics, objective)
        return of_loss, of_objective
    value = progress.metrics.get(objective)
    if task.metric(objective).is_like_share and value is not None and math.isfinite(value):
        step = 1 / math.sqrt(max(1, progress.num_rows))  # two standard errors of a share of 1/2
        return task.rank_key({**progress.metrics, objective: round(value / step)}, objective)
    return task.rank_key(progress.metrics, objective)
