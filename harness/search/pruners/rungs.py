"""Breadth-first successive halving: all trials of an arm reach a rung before any of them goes on.

At a rung that n trials reached, the best `num_promoted` go on and never fewer than `least`, so that all finalists are
trained to the end (Jamieson and Talwalkar 2016, algorithm 1, with paused trials instead of restarted ones). Before a
fifth of the training two in three do, because those that learn fast look best there and may end behind others.
Early trials are ranked by their loss, because all accuracies are near chance while the loss shows which trials learn;
later by the objective, and values that the validation rows cannot tell apart by their loss. Failed trials have no rank.
Of equals the lower number is better, so that a restart changes no rank.

A trial behind the quota is dropped only where there is a signal (`Rung.num_going_on`): when enough of the best are
ahead of it by more than the noise of the rows. Where nobody has learned anything, or but one trial, all go on to the
next rung.

With several objectives trials are ranked by dominance (`FrontRung`), once all have reached the rung; there none is
dropped while fewer trials than would go on are better than the trivial baseline. A trial that violates a constraint of
the study ranks behind those that do not.

A trial is judged at its own rungs. One that skips the first rungs is judged at its first rung together with the trials
promoted to it; one without rungs runs to its end and counts for no quota.

A trial in `kept` (the default recipe of its arm) is never dropped. When it is not among the best, it goes on in
addition to them, so that the winner can be compared with it after the same training.

A trial that patience has ended waits at its rungs as others do, with its best value, so that it takes a place there or
is beaten; it is neither promoted nor dropped.

A waiting trial is dropped as soon as no result of the others can still promote it, so that few more trials are paused
in memory than will go on. At the last rung the next best trial waits until one that went on has ended, and replaces it
if it fails, so that a study does not lose its only winner to a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from harness.records.schema import Progress, TrialState
from harness.search.pruners.base import ChanceGuard, Policy, newly_passed
from harness.search.pruners.comparison import Comparison
from harness.search.pruners.front_rung import FrontRung
from harness.search.pruners.ladder import Judged, Ladder, Ranked, Rung, RungTrial
from harness.search.pruners.messages import (
    BESIDE_DEFAULT,
    against,
    ahead_beyond_noise,
    at_most,
    behind_in_rank,
    beyond,
    equal_on,
    message,
    of_place,
    rank_so_far,
)
from harness.search.source import Decision
from harness.spec.configure import arms, default_numbers, keeps_default
from harness.spec.rungs import EARLY, TrialRungs, num_promoted, promoted_shares, rung_fractions
from harness.spec.study import StudySpec

__all__ = ["Rungs"]


class Rungs(Policy):
    """A `Policy`. `shares` say of each rung below the full training how many of its trials go on.

    The first `num_early` rungs come before `EARLY` of the training. `kept` are the numbers of the trials that are never
    dropped. `chance` is the trivial baseline's validation score, by metric.
    """

    def __init__(
        self,
        shares: Sequence[float],
        comparison: Comparison,
        *,
        num_early: int = 0,
        num_arms: int = 1,
        least: int = 1,
        kept: Collection[int] = (),
        chance: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self._comparison, self._task = comparison, comparison.task
        self._objectives = comparison.objectives
        self._guard = ChanceGuard(self._task.judged_early(self._objectives), chance or {}, comparison.num_trials)
        self._least = least
        self._kept = frozenset(kept)
        self._arms = [
            Ladder([self._new_rung(share, index < num_early) for index, share in enumerate(shares)])
            for _ in range(num_arms)
        ]
        self._trials: dict[int, RungTrial] = {}
        self._out_of_patience: set[int] = set()
        self._ended: set[int] = set()
        self._promoted: list[int] = []
        self._dropped: list[int] = []
        self._messages: dict[int, str] = {}

    @classmethod
    def of(cls, spec: StudySpec, chance: Mapping[str, float]) -> Rungs:
        """Returns the pruner of a study; `chance` is the trivial baseline's validation score, by metric."""
        return cls(
            promoted_shares(spec),
            Comparison.of(spec, chance),
            num_early=sum(rung < EARLY for rung in rung_fractions(spec)),
            num_arms=len(arms(spec)),
            least=spec.num_finalists,
            kept=default_numbers(spec) if keeps_default(spec) else (),
            chance=chance,
        )

    def _new_rung(self, share: float, is_early: bool) -> Rung:
        if len(self._objectives) == 1:
            return Rung(share=share, is_early=is_early)
        return FrontRung(share=share, is_early=is_early, objectives=self._objectives, task=self._task)

    def _quota(self, rung: Rung, num_reached: int, outside: Collection[int] = ()) -> int:
        """Returns how many of the trials that reached this rung go on; `outside` reached it, and have no rank."""
        quota = num_promoted(num_reached, rung.share, self._least)
        ranked = Ranked(rung, set(outside))
        return rung.num_going_on(ranked, quota, num_reached, partial(self._comparison.is_ahead, is_early=rung.is_early))

    def _num_kept(self, ladder: Ladder, index: int, num_reached: int, outside: Collection[int] = ()) -> int:
        """Returns how many of them are not dropped: those that go on, and at the last rung a spare one."""
        return self._quota(ladder.rungs[index], num_reached, outside) + (index == len(ladder.rungs) - 1)

    def _outside(self, ladder: Ladder, index: int) -> set[int]:
        """Returns the kept trial if it reached this rung without being among the best of the rung below."""
        if ladder.kept is None or index == 0:
            return set()
        number, trial = ladder.kept
        if index not in trial.judged or not ladder.rungs[index].holds(trial.judged[index]):
            return set()
        if index - 1 not in trial.judged:
            return set()
        below = ladder.rungs[index - 1]
        behind = below.place(trial.judged[index - 1]) >= self._quota(below, len(below.reached))
        return {number} if behind or self._outside(ladder, index - 1) else set()

    def expect(self, arm: int, num_trials: int) -> None:
        self._arms[arm].expected = num_trials
        self._settle(self._arms[arm])

    def add(self, number: int, arm: int, rungs: TrialRungs) -> None:
        ladder = self._arms[arm]
        trial = self._trials[number] = RungTrial(arm, rungs)
        if number in self._kept:
            ladder.kept = (number, trial)
        ladder.added += 1
        if trial.first is not None:
            ladder.rungs[trial.first].coming.add(number)

    def restore(self, number: int, arm: int, history: Sequence[Progress], state: TrialState, rungs: TrialRungs) -> None:
        self.add(number, arm, rungs)
        trial, ladder = self._trials[number], self._arms[arm]
        for progress in history:
            self._pass(number, progress)
        if history and history[-1].out_of_patience and state is not TrialState.FAIL:
            self._out_of_patience.add(number)
            if trial.judged:
                self._arrive(ladder, min(trial.judged), number)
            if state.ended:
                self.end(number, state)
            else:
                self._promoted.append(number)  # it was left before its end was written
        elif state.ended:
            for index in trial.judged:
                self._reach(ladder, index, number)
            last = max(trial.judged, default=None)
            if state is TrialState.PRUNED and last is not None and history[-1] is trial.judged[last].progress:
                ladder.rungs[last].dropped.add(number)
            self.end(number, state)
        elif trial.judged:
            self._arrive(ladder, min(trial.judged), number)
        else:
            self._promoted.append(number)

    def settle(self) -> None:
        for arm in self._arms:
            self._settle(arm)
        for number in self._dropped:  # while trials were restored one by one, the ranking was not complete
            self._explain(number)

    def decide(self, number: int, progress: Progress) -> Decision:
        ladder = self._arms[self._trials[number].arm]
        passed = self._pass(number, progress)
        if progress.out_of_patience:
            self._out_of_patience.add(number)
        if not passed:
            return Decision.GO
        self._arrive(ladder, passed[0], number)
        self._settle(ladder)
        return Decision.GO if progress.out_of_patience else self._decision(number)

    def _decision(self, number: int) -> Decision:
        """Returns the decision for a trial just evaluated, and takes it off the dropped and promoted trials."""
        if number in self._dropped:
            self._dropped.remove(number)
            return Decision.STOP
        if self._promoted[:1] == [number]:
            self._promoted.pop(0)
            return Decision.GO
        return Decision.PAUSE

    def end(self, number: int, state: TrialState) -> None:
        ladder = self._arms[self._trials[number].arm]
        if number in self._out_of_patience and state is not TrialState.FAIL:
            self._ended.add(number)
            self._settle(ladder)
            return
        trial = self._trials.pop(number)
        for index, rung in enumerate(ladder.rungs):
            rung.coming.discard(number)
            rung.waiting.discard(number)
            if state is TrialState.FAIL and index in trial.judged:
                rung.forget(trial.judged[index])
        for queue in (self._promoted, self._dropped):
            if number in queue:
                queue.remove(number)
        self._messages.pop(number, None)
        self._settle(ladder)

    def promoted(self) -> list[int]:
        promoted, self._promoted = self._promoted, []
        return promoted

    def dropped(self) -> list[int]:
        dropped, self._dropped = self._dropped, []
        return dropped

    def message(self, number: int) -> str:
        return self._messages.get(number, "")

    def _pass(self, number: int, progress: Progress) -> list[int]:
        """Notes the trial's result at each rung that it newly passes; a short training passes several at once."""
        trial = self._trials[number]
        passed = newly_passed(trial.rungs, max(trial.judged, default=-1) + 1, progress)
        rungs = self._arms[trial.arm].rungs
        for index in passed:
            key = self._comparison.key(progress, rungs[index].is_early)
            trial.judged[index] = Judged(key, number, progress)
        if self._guard.is_better(progress):
            trial.better.update(passed)
        return passed

    def _reach(self, ladder: Ladder, index: int, number: int) -> None:
        rung, trial = ladder.rungs[index], self._trials[number]
        rung.reach(trial.judged[index])
        if index in trial.better:
            rung.better.add(number)

    def _arrive(self, ladder: Ladder, index: int, number: int) -> None:
        rung = ladder.rungs[index]
        rung.coming.discard(number)
        rung.waiting.add(number)
        self._reach(ladder, index, number)
        self._drop_hopeless(ladder, index, arrived=number)

    def _drop_hopeless(self, ladder: Ladder, index: int, arrived: int | None = None) -> None:
        """Drops the trials that cannot be promoted even if no better trial comes; it looks only near the cut."""
        rung = ladder.rungs[index]
        if not rung.is_ranked_early:
            rung.cut = len(rung.reached)
            return
        # The kept trial may rank before the trials that count.
        cut = self._num_kept(ladder, index, len(rung.reached) + ladder.still_coming(index))
        cut += ladder.kept is not None and index > 0
        behind = {judged.number for judged in rung.reached[cut : max(cut, rung.cut) + 1]}
        if arrived is not None and rung.place(self._trials[arrived].judged[index]) >= cut:
            behind.add(arrived)
        self._drop(rung, (behind & rung.waiting) - ladder.kept_numbers)
        rung.cut = cut

    def _drop(self, rung: Rung, numbers: set[int]) -> None:
        rung.waiting -= numbers
        rung.dropped |= numbers
        told = numbers - self._out_of_patience
        self._dropped += sorted(told)
        for number in told:
            self._explain(number)

    def _explain(self, number: int) -> None:
        """Notes why a trial was dropped: its rank, and the value of the last trial that goes on, as of now."""
        trial = self._trials[number]
        ladder = self._arms[trial.arm]
        index = next(index for index in trial.judged if number in ladder.rungs[index].dropped)
        rung, own, coming = ladder.rungs[index], trial.judged[index], ladder.still_coming(index)
        outside = self._outside(ladder, index)
        ranked = Ranked(rung, outside)
        quota = self._quota(rung, len(ranked) + coming, outside)
        rank = ranked.rank(own)
        place = min(quota, rank - 1)
        cut = ranked[place - 1]
        by_loss = rung.is_ranked_early and self._comparison.ranks_by_loss(rung.is_early)
        by = self._task.metric(self._task.loss).title if by_loss else "dominance"
        where = f" by {by}" if by_loss or not rung.is_ranked_early else ""
        if coming:
            ranking = rank_so_far(rank, len(ranked), at_most(quota, len(ranked) + coming), where)
        else:
            num_lost = sum(ranked[at].number in rung.dropped for at in range(quota))
            ranking = behind_in_rank(rank, len(ranked), quota, num_lost, where)
        if ladder.kept is not None and ladder.kept[0] not in {ranked[at].number for at in range(place)}:
            ranking += BESIDE_DEFAULT
        values = self._values(own, cut, f"{of_place(place)} had", rung.is_early)
        values += self._why_dropped(rung, ranked, own, cut, quota)
        self._messages[number] = message(index, len(ladder.rungs), ranking, values)

    def _why_dropped(self, rung: Rung, ranked: Ranked, own: Judged, cut: Judged, quota: int) -> str:
        """Returns which trial was ahead by more than noise; "" where `cut`, the last one that goes on, was."""
        leader_place = rung.num_ahead(quota)
        leader = ranked[leader_place - 1]
        if not rung.is_ranked_early or self._comparison.ahead_by(cut, own, rung.is_early):
            return ""
        metric = self._comparison.ahead_by(leader, own, rung.is_early)
        if metric is None:
            return ""
        return ahead_beyond_noise(metric, leader.progress.metrics.get(metric.name), of_place(leader_place))

    def _values(self, own: Judged, cut: Judged, whose: str, is_early: bool) -> str:
        """Returns the values of a dropped trial beside those of the last that goes on, which are `whose`."""
        if own.key[0] > cut.key[0]:
            violated = self._comparison.constraints.violated(own.progress.metrics)
            return beyond(violated, own.progress.metrics)
        names: Sequence[str] = self._objectives
        if len(names) == 1 and self._comparison.ranks_by_loss(is_early):
            names = (self._task.loss,)
        elif len(names) == 1 and own.key[:2] == cut.key[:2]:
            return equal_on(self._task, names[0], own.progress, cut.progress, whose)
        metrics = [self._task.metric(name) for name in names]
        values = [(own.progress.metrics.get(name), cut.progress.metrics.get(name)) for name in names]
        pairs = zip(metrics, values, strict=True)
        return "; ".join(against(metric, mine, other, whose) for metric, (mine, other) in pairs)

    def _settle(self, ladder: Ladder) -> None:
        """Promotes from every rung that no further trial can reach, from the lowest up."""
        for index, rung in enumerate(ladder.rungs):
            rung.settled = not ladder.still_coming(index)
            if not rung.settled:
                self._drop_hopeless(ladder, index)
                return
            rung.rank()
            if not rung.waiting:
                continue
            outside = self._outside(ladder, index)
            num_reached = len(rung.reached) - len(outside)
            quota = self._quota(rung, num_reached, outside)
            num_kept = self._num_kept(ladder, index, num_reached, outside)
            first = rung.reached[: num_kept + len(outside)]
            kept = [judged.number for judged in first if judged.number not in outside][:num_kept]
            best, spare = kept[:quota], kept[quota:]
            chosen = [number for number in best if number in rung.waiting]
            chosen += rung.waiting & ladder.kept_numbers.difference(chosen)
            going = any(number in self._trials and number not in self._ended for number in best)
            self._drop(rung, rung.waiting.difference(chosen, spare if going else ()))
            rung.waiting.difference_update(chosen)
            self._promote(ladder, index + 1, chosen)

    def _promote(self, ladder: Ladder, index: int, numbers: Sequence[int]) -> None:
        """Sends trials to rung `index`; those evaluated there already (merged rungs, a restart) reach it at once."""
        is_rung = index < len(ladder.rungs)
        numbers = [at for at in numbers if at not in self._out_of_patience or index in self._trials[at].judged]
        if is_rung:
            ladder.rungs[index].coming.update(numbers)
        for number in numbers:
            if is_rung and index in self._trials[number].judged:
                self._arrive(ladder, index, number)
            else:
                self._promoted.append(number)
