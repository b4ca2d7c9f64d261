"""The rungs of one arm: which trials come to each of them, which have reached it, and in which order."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.records.schema import Progress
from harness.spec.rungs import TrialRungs
from harness.spec.tasks import facts_with

__all__ = ["Judged", "Ladder", "Ranked", "Rung", "RungTrial", "rung_key"]


class Judged(NamedTuple):
    """A trial as it is judged at a rung; sorts the better one first, and of equals the lower number."""

    key: tuple[float, float]
    number: int
    progress: Progress


@dataclass(slots=True)
class Rung:
    """One rung of one arm. `coming` are trials on their way to it, `reached` all that were evaluated at it.

    `better` are those of them that are better than the trivial baseline, `dropped` those that were stopped here. Behind
    the first `cut` of those reached nobody waits. `settled`: nobody can reach it any more.
    """

    coming: set[int] = field(default_factory=set)
    reached: list[Judged] = field(default_factory=list)
    better: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    cut: int = 0
    settled: bool = False

    def reach(self, judged: Judged) -> None:
        """A trial was evaluated here."""
        insort(self.reached, judged)

    def place(self, judged: Judged) -> int:
        """The trial's place among those reached, 0 for the best; where it would come if it is none of them."""
        return bisect_left(self.reached, judged)

    def holds(self, judged: Judged) -> bool:
        """True when the trial has reached the rung and counts there."""
        at = self.place(judged)
        return self.reached[at : at + 1] == [judged]

    def forget(self, judged: Judged) -> None:
        """The trial has failed: it holds no place."""
        if self.holds(judged):
            del self.reached[self.place(judged)]
        self.better.discard(judged.number)


class Ranked:
    """Those that reached a rung, best first, without `outside`: at most one, which holds no rank there."""

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
        """1 for the best."""
        at = self._rung.place(judged)
        return at + 1 - (self._left_out < at)


@dataclass(slots=True)
class RungTrial:
    """`judged` holds it at the rungs passed, by rung; at those in `better` it was better than the trivial baseline."""

    arm: int
    rungs: TrialRungs
    judged: dict[int, Judged] = field(default_factory=dict)
    better: set[int] = field(default_factory=set)

    @property
    def first(self) -> int | None:
        """The first rung at which it is judged."""
        return next((index for index, share in enumerate(self.rungs) if share is not None), None)


class Ladder:
    """The rungs of one arm. The rung after the last is the full training. `kept` is the trial that is never dropped."""

    def __init__(self, num_rungs: int) -> None:
        self.rungs = [Rung() for _ in range(num_rungs)]
        self.kept: tuple[int, RungTrial] | None = None
        self.expected = 0
        self.added = 0

    @property
    def kept_numbers(self) -> set[int]:
        """The number of the trial that is never dropped, if there is one."""
        return set() if self.kept is None else {self.kept[0]}

    def still_coming(self, index: int) -> int:
        """The most trials that can yet reach a rung."""
        rung = self.rungs[index]
        if index == 0:
            return len(rung.coming) + max(0, self.expected - self.added)
        before = self.rungs[index - 1]
        return len(rung.coming) + (0 if before.settled else len(before.waiting) + self.still_coming(index - 1))


def rung_key(progress: Progress, objective: str) -> tuple[float, float]:
    """Sorts the better trial first at a rung; shares of the rows are compared in steps of two standard errors."""
    facts, value = facts_with(objective), progress.metrics.get(objective)
    if facts.metric(objective).percent and value is not None and math.isfinite(value):
        step = 1 / math.sqrt(max(1, progress.num_rows))  # two standard errors of a share of 1/2
        return facts.rank_key({**progress.metrics, objective: round(value / step)}, objective)
    return facts.rank_key(progress.metrics, objective)
