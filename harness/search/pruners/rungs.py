"""Breadth-first successive halving: all trials of an arm reach a rung before any of them goes on.

At a rung that n trials reached, the best `num_promoted` go on and never fewer than `least`, so that the finalists have
full trainings (Jamieson and Talwalkar 2016, algorithm 1, with paused trials instead of restarted ones). Failed trials
hold no place. Of equal values the lower log loss is better, then the lower number: nothing that a restart could change.
Values are equal that the number of validation rows cannot tell apart: early in training all accuracies are near
chance, and the log loss sees who learns long before they do (of 16 trials on 132 rows, 8 % into the training, ranking
by bare accuracy dropped every one that was going to be good).

A trial is judged at its own rungs. One that passes the first rungs by is judged at its first rung together with those
that were promoted to it; one that has none runs to its end and counts for no quota. At a rung that no trial reached
with a value better than the trivial baseline nobody is dropped: all go on to the next one.

A trial in `kept` (the default recipe of its arm) is never dropped: where it is not among the best, it goes on behind
them, so that the winner can be compared with it at the same training; it takes nobody's place.

A waiting trial is dropped as soon as it cannot be promoted whatever the others do, so that hardly more trials stand
in memory than will go on. At the last rung the next best one waits until a trial that went on has ended, and takes its
place if it fails: a study does not lose its only winner to a crash.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.records.schema import Progress, TrialState
from harness.search.pruners.base import ChanceGuard, newly_passed
from harness.search.source import Decision
from harness.spec.rungs import TrialRungs, num_promoted
from harness.spec.tasks import facts_with

__all__ = ["Rungs", "rung_key"]

Place = tuple[tuple[float, float], int]
"""Sorts the better trial first: its key at a rung, then its number."""


@dataclass(slots=True)
class _Rung:
    """One rung of one arm. `coming` are trials on their way to it, `reached` all that were evaluated at it.

    `better` are those of them that are better than the trivial baseline. Behind the first `cut` of those reached nobody
    waits. `settled`: nobody can reach it any more.
    """

    coming: set[int] = field(default_factory=set)
    reached: list[Place] = field(default_factory=list)
    better: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    cut: int = 0
    settled: bool = False


@dataclass(slots=True)
class _Trial:
    """`places` are those at the rungs passed, by rung; at those in `better` it was better than the trivial baseline."""

    arm: int
    rungs: TrialRungs
    places: dict[int, Place] = field(default_factory=dict)
    better: set[int] = field(default_factory=set)

    @property
    def first(self) -> int | None:
        """The first rung at which it is judged."""
        return next((index for index, share in enumerate(self.rungs) if share is not None), None)


class _Arm:
    """The ladder of one arm. The rung after the last is the full training."""

    def __init__(self, num_rungs: int) -> None:
        self.rungs = [_Rung() for _ in range(num_rungs)]
        self.kept: tuple[int, _Trial] | None = None
        self.expected = 0
        self.added = 0

    def still_coming(self, index: int) -> int:
        """The most trials that can yet reach a rung."""
        rung = self.rungs[index]
        if index == 0:
            return len(rung.coming) + max(0, self.expected - self.added)
        before = self.rungs[index - 1]
        return len(rung.coming) + (0 if before.settled else len(before.waiting) + self.still_coming(index - 1))


class Rungs:
    """A `Policy`. `fractions` are the rungs below the full training, `kept` the numbers that are never dropped."""

    def __init__(
        self,
        fractions: Sequence[float],
        reduction_factor: int,
        objective: str,
        *,
        num_arms: int = 1,
        least: int = 1,
        kept: Collection[int] = (),
        chance: Mapping[str, float] | None = None,
    ) -> None:
        self._fractions = tuple(fractions)
        self._guard = ChanceGuard(objective, chance or {})
        self._factor = reduction_factor
        self._objective = objective
        self._least = least
        self._kept = frozenset(kept)
        self._arms = [_Arm(len(self._fractions)) for _ in range(num_arms)]
        self._trials: dict[int, _Trial] = {}
        self._promoted: list[int] = []
        self._dropped: list[int] = []

    def num_promoted(self, num_reached: int) -> int:
        """How many of the trials that reached a rung go on."""
        return num_promoted(num_reached, self._factor, self._least)

    def _quota(self, rung: _Rung, num_reached: int) -> int:
        """How many of the trials that reached this rung go on: all where none is better than the trivial baseline."""
        return self.num_promoted(num_reached) if rung.better else num_reached

    def _num_kept(self, ladder: _Arm, index: int, num_reached: int) -> int:
        """How many of them may be needed yet: at the last rung there is a spare one."""
        return self._quota(ladder.rungs[index], num_reached) + (index == len(ladder.rungs) - 1)

    def _outside(self, ladder: _Arm, index: int) -> set[int]:
        """The kept trial, if it reached a rung behind the best of the one below."""
        if ladder.kept is None or index == 0:
            return set()
        number, trial = ladder.kept
        if index not in trial.places or not _holds(ladder.rungs[index].reached, trial.places[index]):
            return set()
        if index - 1 not in trial.places:
            return set()
        below = ladder.rungs[index - 1]
        behind = bisect_left(below.reached, trial.places[index - 1]) >= self._quota(below, len(below.reached))
        return {number} if behind or self._outside(ladder, index - 1) else set()

    def expect(self, arm: int, num_trials: int) -> None:
        self._arms[arm].expected = num_trials
        self._settle(self._arms[arm])

    def add(self, number: int, arm: int, rungs: TrialRungs | None = None) -> None:
        ladder = self._arms[arm]
        trial = self._trials[number] = _Trial(arm, self._fractions if rungs is None else rungs)
        if number in self._kept:
            ladder.kept = (number, trial)
        ladder.added += 1
        if trial.first is not None:
            ladder.rungs[trial.first].coming.add(number)

    def restore(
        self,
        number: int,
        arm: int,
        history: Sequence[Progress],
        state: TrialState,
        rungs: TrialRungs | None = None,
    ) -> None:
        self.add(number, arm, rungs)
        trial, ladder = self._trials[number], self._arms[arm]
        for progress in history:
            self._pass(number, progress)
        if state.ended:
            for index in trial.places:
                self._reach(ladder, index, number)
            self.end(number, state)
        elif trial.places:
            self._arrive(ladder, min(trial.places), number)
        else:
            self._promoted.append(number)

    def settle(self) -> None:
        for arm in self._arms:
            self._settle(arm)

    def decide(self, number: int, progress: Progress) -> Decision:
        ladder = self._arms[self._trials[number].arm]
        passed = self._pass(number, progress)
        if not passed:
            return Decision.GO
        self._arrive(ladder, passed[0], number)
        self._settle(ladder)
        return self._decision(number)

    def _decision(self, number: int) -> Decision:
        """A trial that is first in line need not stand; one that is dropped need not be told of twice."""
        if number in self._dropped:
            self._dropped.remove(number)
            return Decision.STOP
        if self._promoted[:1] == [number]:
            self._promoted.pop(0)
            return Decision.GO
        return Decision.PAUSE

    def end(self, number: int, state: TrialState) -> None:
        trial = self._trials.pop(number)
        ladder = self._arms[trial.arm]
        for index, rung in enumerate(ladder.rungs):
            rung.coming.discard(number)
            rung.waiting.discard(number)
            if state is TrialState.FAIL and index in trial.places:
                _remove(rung.reached, trial.places[index])
                rung.better.discard(number)
        for queue in (self._promoted, self._dropped):
            if number in queue:
                queue.remove(number)
        self._settle(ladder)

    def promoted(self) -> list[int]:
        promoted, self._promoted = self._promoted, []
        return promoted

    def dropped(self) -> list[int]:
        dropped, self._dropped = self._dropped, []
        return dropped

    def _pass(self, number: int, progress: Progress) -> list[int]:
        """Gives the trial a place at each rung that it has newly passed; a short training passes several at once."""
        trial = self._trials[number]
        passed = newly_passed(trial.rungs, max(trial.places, default=-1) + 1, progress)
        trial.places |= dict.fromkeys(passed, (rung_key(progress, self._objective), number))
        if self._guard.is_better(progress):
            trial.better.update(passed)
        return passed

    def _reach(self, ladder: _Arm, index: int, number: int) -> None:
        rung, trial = ladder.rungs[index], self._trials[number]
        insort(rung.reached, trial.places[index])
        if index in trial.better:
            rung.better.add(number)

    def _arrive(self, ladder: _Arm, index: int, number: int) -> None:
        rung = ladder.rungs[index]
        rung.coming.discard(number)
        rung.waiting.add(number)
        self._reach(ladder, index, number)
        self._drop_hopeless(ladder, index, arrived=number)

    def _drop_hopeless(self, ladder: _Arm, index: int, arrived: int | None = None) -> None:
        """Drops who cannot be among the promoted even if nobody better comes: few to look at, whatever the size."""
        rung = ladder.rungs[index]
        if not rung.better:
            rung.cut = len(rung.reached)
            return
        # One that came from outside may stand before those that count.
        cut = self._num_kept(ladder, index, len(rung.reached) + ladder.still_coming(index))
        cut += ladder.kept is not None and index > 0
        behind = {number for _, number in rung.reached[cut : max(cut, rung.cut) + 1]}
        if arrived is not None and bisect_left(rung.reached, self._trials[arrived].places[index]) >= cut:
            behind.add(arrived)
        self._drop(rung, (behind & rung.waiting).difference(_number(ladder.kept)))
        rung.cut = cut

    def _drop(self, rung: _Rung, numbers: set[int]) -> None:
        rung.waiting -= numbers
        self._dropped += sorted(numbers)

    def _settle(self, ladder: _Arm) -> None:
        """Promotes from every rung that nobody can reach any more, from the lowest up."""
        for index, rung in enumerate(ladder.rungs):
            rung.settled = not ladder.still_coming(index)
            if not rung.settled:
                self._drop_hopeless(ladder, index)
                return
            if not rung.waiting:
                continue
            outside = self._outside(ladder, index)
            num_reached = len(rung.reached) - len(outside)
            quota, num_kept = self._quota(rung, num_reached), self._num_kept(ladder, index, num_reached)
            first = rung.reached[: num_kept + len(outside)]
            kept = [number for _, number in first if number not in outside][:num_kept]
            best, spare = kept[:quota], kept[quota:]
            chosen = [number for number in best if number in rung.waiting]
            chosen += rung.waiting & _number(ladder.kept).difference(chosen)
            going = any(number in self._trials for number in best)
            self._drop(rung, rung.waiting.difference(chosen, spare if going else ()))
            rung.waiting.difference_update(chosen)
            self._promote(ladder, index + 1, chosen)

    def _promote(self, ladder: _Arm, index: int, numbers: Sequence[int]) -> None:
        """Sends trials to rung `index`; one that was evaluated there before (merged rungs, a restart) is there."""
        is_rung = index < len(ladder.rungs)
        if is_rung:
            ladder.rungs[index].coming.update(numbers)
        for number in numbers:
            if is_rung and index in self._trials[number].places:
                self._arrive(ladder, index, number)
            else:
                self._promoted.append(number)


def rung_key(progress: Progress, objective: str) -> tuple[float, float]:
    """Sorts the better trial first at a rung; shares of the rows are compared in steps of two standard errors."""
    facts, value = facts_with(objective), progress.metrics.get(objective)
    if facts.metric(objective).percent and value is not None and math.isfinite(value):
        step = 1 / math.sqrt(max(1, progress.num_rows))  # two standard errors of a share of 1/2
        return facts.rank_key({**progress.metrics, objective: round(value / step)}, objective)
    return facts.rank_key(progress.metrics, objective)


def _holds(reached: list[Place], place: Place) -> bool:
    index = bisect_left(reached, place)
    return reached[index : index + 1] == [place]


def _remove(reached: list[Place], place: Place) -> None:
    if _holds(reached, place):
        del reached[bisect_left(reached, place)]


def _number(kept: tuple[int, _Trial] | None) -> set[int]:
    return set() if kept is None else {kept[0]}
