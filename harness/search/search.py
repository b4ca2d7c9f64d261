"""The search as a source of trials: proposals, pruning and budget over the study on disk, which only it writes.

To continue a study, create a `Search` over the same store. Ended trials are not run again. A trial that was left
running is given out again with its number, params and seed; the rungs that it had passed do not judge it again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import FailReason
from harness.records.patience import as_judged
from harness.records.rundir import RunFolder
from harness.records.schema import (
    BUDGET,
    Progress,
    PruneReason,
    Reason,
    TrialRecord,
    TrialState,
    best_progress,
    record_of,
    with_earlier,
)
from harness.records.store import CLOSED_AFTER, StoredTrial, TrialStore
from harness.search.axes import Params
from harness.search.budget import Budget
from harness.search.deal import Dealer
from harness.search.keepers import Keepers
from harness.search.propose import Proposer
from harness.search.pruners.registry import make_policy
from harness.search.source import Decision
from harness.spec.configure import arms, default_numbers
from harness.spec.constraints import Ranking
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig

__all__ = ["Search"]

OUT_OF_TIME: tuple[None, str] = (None, BUDGET)
#: The rest of the best trial's training may be slower than the part that its time is estimated from.
SAFETY = 1.1


@dataclass(slots=True)
class _Trial:
    """A trial that has not ended.

    `live`: an engine holds it; `running`: and it is not paused; `ending`: the engine was told to end it; `invalid`: the
    reason why its evaluations do not count; `stopped`: the reason why it is stopped or dropped.
    """

    config: TrialConfig
    arm: int
    history: list[Progress] = field(default_factory=list)
    live: bool = False
    running: bool = False
    ending: bool = False
    invalid: tuple[FailReason, str] | None = None
    stopped: tuple[PruneReason | None, str] | None = None


class Search:
    """A `TrialSource`. `store` must be freshly opened; `run` is the folder that holds snapshots.

    With `num_train_rows`, the rows of the training split, each trial gets rungs of its own. `chance` is the validation
    score of the task's trivial baseline, by metric: no trial is pruned while no trial is better. The weights of the
    trials `tested`, which an earlier decision scored on test, are kept. Params `found_before`, in earlier runs, are
    tried before others are drawn. A `proposer` replaces the one that draws params from the search space.
    """

    def __init__(
        self,
        spec: StudySpec,
        store: TrialStore,
        run: RunFolder,
        *,
        num_train_rows: int | None = None,
        chance: Mapping[str, float] | None = None,
        tested: Collection[int] = (),
        found_before: Sequence[Params] = (),
        clock: Callable[[], float] = time.monotonic,
        proposer: Proposer | None = None,
    ) -> None:
        self._spec, self._store, self._run = spec, store, run
        self._ranking = Ranking.of(spec)
        self._num_arms = len(arms(spec))
        self._budget = Budget(spec.budget.minutes, store, clock)
        self._trials: dict[int, _Trial] = {}
        self._queue: list[int] = []
        self._dropped: list[int] = []
        self._closed = False
        self._finalist: int | None = None
        self._needs_finalist = False
        top = max(2, spec.num_finalists)  # winner and runner-up are scored on test
        self._keepers = Keepers(top, self._num_arms, {*default_numbers(spec), *tested})
        stored = [self._restarted(self._finished(trial)) for trial in store.load()]
        self._dealer = Dealer(spec, store, stored, num_train_rows, proposer, found_before)
        self._proposer = self._dealer.proposer
        self._policy = make_policy(spec, chance)
        self._restore(stored)

    # Earlier trials

    def _finished(self, trial: StoredTrial) -> StoredTrial:
        """Ends a trial whose coordinator died after it stored the record and before it stored the state."""
        if not trial.record.state.ended or trial.state.ended:
            return trial
        record = self._store.end(trial.record)
        return replace(trial, state=record.state, record=record)

    def _restarted(self, trial: StoredTrial) -> StoredTrial:
        """Restarts an unfinished trial of a population, whose history may come from a trial that is not known."""
        if trial.state.ended or not trial.record.history or self._spec.search.pruner.name != "ray-pbt":
            return trial
        self._store.rewrite(trial.number, [])
        return replace(trial, record=record_of(trial.config, TrialState.RUNNING))

    def _restore(self, stored: list[StoredTrial]) -> None:
        self._expect()
        for trial in stored:
            arm = Proposer.arm_of(trial)
            history = as_judged(trial.record.history, trial.config)
            self._policy.restore(trial.number, arm, history, trial.state, trial.config.rungs)
            if trial.state is TrialState.COMPLETE:
                saved = trial.record.weights is not None
                self._keepers.ended(trial.number, arm, self._ranking.key(trial.record.metrics), saved=saved)
            elif not trial.state.ended:
                self._trials[trial.number] = _Trial(trial.config, arm, list(trial.record.history))
        self._policy.settle()

    # The calls of an engine

    def next(self) -> TrialConfig | None:
        """Returns the next trial; None when there is none for now (for good, when no trial is running or paused)."""
        self._update()
        if not self._queue and not self._closed:
            self._deal()
        number = self._next_queued()
        if number is None:
            self._budget.tick(write=True)
            return None
        trial = self._trials[number]
        trial.live = trial.running = True
        return trial.config

    def _next_queued(self) -> int | None:
        """Takes the first trial of the queue; a closed search gives up those that can no longer finish in time."""
        while self._queue:
            number = self._queue.pop(0)
            if not self._closed or self._can_finish(number):
                return number
            self._drop(number, *OUT_OF_TIME)
        return None

    def decide(self, number: int, progress: Progress) -> Decision:
        trial = self._trials[number]
        trial.invalid = self._invalid_reason(progress)
        repeated = bool(trial.history) and progress.step <= trial.history[-1].step
        decision = Decision.STOP if trial.invalid else Decision.GO
        if not trial.invalid and not repeated:
            decision = self._learn(trial, progress)
        if progress.done:
            decision = Decision.GO
        elif self._closed and not trial.invalid:
            decision = self._decide_closed(number)
        if decision is Decision.STOP and not trial.invalid:
            trial.stopped = OUT_OF_TIME if self._closed else self._pruner_reason(number)
        trial.running = decision is not Decision.PAUSE
        trial.ending = decision is Decision.STOP or progress.done
        return decision

    def _learn(self, trial: _Trial, progress: Progress) -> Decision:
        """Stores an evaluation, reports it to sampler and pruner, and returns the pruner's decision."""
        trial.history.append(progress)
        self._store.report(progress.number, progress)
        self._proposer.observe(progress.number, progress, trial.config.rungs)
        decision = self._policy.decide(progress.number, as_judged(trial.history, trial.config)[-1])
        self._update()
        return decision

    def replace_history(self, number: int, history: Sequence[Progress]) -> None:
        self._trials[number].history = list(history)
        self._store.rewrite(number, history)

    def dropped(self) -> list[int]:
        self._collect()
        dropped, self._dropped = self._dropped, []
        return dropped

    def keep(self, number: int, progress: Progress) -> bool:
        trial = self._trials[number]
        best = best_progress(trial.history, trial.config)
        return best is not None and self._keepers.wants(number, trial.arm, self._ranking.key(best.metrics))

    def unneeded(self) -> list[int]:
        """Returns the trials whose saved weights are no longer needed; each trial is returned once."""
        return self._keepers.unneeded()

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        """Returns the snapshot, unless its history has evaluations that the study does not have."""
        folder, history = self._run.snapshot("search", number)
        steps = [progress.step for progress in self._trials[number].history]
        return (folder, history) if [progress.step for progress in history] == steps[: len(history)] else (None, [])

    def end(self, record: TrialRecord) -> TrialRecord:
        trial = self._trials[record.number]
        changes: dict[str, object] = {}
        if trial.invalid:
            changes = {"state": TrialState.FAIL, "reason": trial.invalid[0], "message": trial.invalid[1]}
        elif record.state is TrialState.PRUNED and not record.message:
            reason, message = trial.stopped or (OUT_OF_TIME if self._closed else (None, ""))
            changes = {"reason": reason, "message": message}
        if len(record.history) < len(trial.history):  # it ended before the replay had caught up
            whole = record_of(trial.config, record.state, trial.history)
            changes |= {"history": whole.history, "metrics": whole.metrics, "best_step": whole.best_step}
        record = self._end(with_earlier(record.model_copy(update=changes), trial.history))
        self._update()
        return record

    def _pruner_reason(self, number: int) -> tuple[PruneReason, str]:
        return PruneReason.RUNG, self._policy.message(number)

    # How the search ended

    @property
    def exhausted(self) -> bool:
        """True when the sampler found no new params before all trials were created."""
        return bool(self._dealer.exhausted)

    @property
    def all_begun(self) -> bool:
        """True when no new trial will be created."""
        return self._closed or self._dealer.done

    @property
    def out_of_budget(self) -> bool:
        """True when the search was closed for lack of time."""
        return self._closed

    @property
    def has_time_again(self) -> bool:
        """True when an earlier search was closed for lack of time, and a larger budget lets new trials begin."""
        is_closed = self._store.get(CLOSED_AFTER) is not None
        return is_closed and not self._closed and not self._dealer.done and self._budget.left_s > 0

    @property
    def spent_s(self) -> float:
        """Wall time of the search, earlier continuations included."""
        return self._budget.spent_s

    # New trials

    def _deal(self) -> None:
        """Queues a new trial; where an arm gets no more trials, its paused ones no longer wait for them."""
        dealt = self._dealer.deal()
        if dealt is not None:
            config, arm = dealt
            self._trials[config.number] = _Trial(config, arm)
            self._policy.add(config.number, arm, config.rungs)
            self._queue.append(config.number)
        self._expect()

    def _expect(self) -> None:
        """Tells the pruner how many trials each arm will have."""
        for arm in range(self._num_arms):
            self._policy.expect(arm, self._dealer.share(arm))
        self._collect()

    # Promoting, dropping and ending trials

    def _update(self) -> None:
        """Updates the clock, takes over the pruner's decisions, and closes the search when its time is nearly over."""
        self._budget.tick()
        self._collect()
        if not self._closed and math.isfinite(self._budget.left_s):
            self._close_in_time()

    def _collect(self) -> None:
        """Takes promoted and dropped trials from the pruner; a closed search ignores them."""
        dropped, promoted = self._policy.dropped(), self._policy.promoted()
        if not self._closed:
            self._queue += promoted
            for number in dropped:
                self._drop(number, *self._pruner_reason(number))

    def _drop(self, number: int, reason: PruneReason | None, message: str) -> None:
        """Ends a paused trial: through the engine that holds it, or here when no engine does."""
        trial = self._trials[number]
        if trial.live:
            trial.ending, trial.stopped = True, (reason, message)
            self._dropped.append(number)
            return
        state = TrialState.PRUNED if trial.history else TrialState.FAIL
        end_reason: Reason | None = reason if trial.history else FailReason.STOPPED
        now = time.time()
        self._end(record_of(trial.config, state, trial.history, reason=end_reason, message=message, ended_at=now))

    def _end(self, record: TrialRecord) -> TrialRecord:
        record = self._store.end(record)
        trial = self._trials.pop(record.number)
        for queue in (self._queue, self._dropped):
            if record.number in queue:
                queue.remove(record.number)
        if record.state is TrialState.COMPLETE:
            saved = record.weights is not None
            self._keepers.ended(record.number, trial.arm, self._ranking.key(record.metrics), saved=saved)
        self._proposer.end(record)
        self._policy.end(record.number, record.state)
        if record.number == self._finalist:
            self._finalist, self._needs_finalist = None, record.state is not TrialState.COMPLETE
        return record

    def _invalid_reason(self, progress: Progress) -> tuple[FailReason, str] | None:
        facts = facts_of(self._spec.task)
        for name in self._spec.search.objectives:
            value = progress.metrics.get(name)
            if value is None and facts.metric(name).is_written and not progress.done:
                continue
            if value is None:
                return FailReason.CRASH, f"the evaluation at step {progress.step} gives no objective '{name}'"
            if not math.isfinite(value):
                return FailReason.NAN, f"objective '{name}' is {value} at step {progress.step}"
        return None

    # The budget

    def _close_in_time(self) -> None:
        """Closes the search when the time left is just enough to finish the best trial.

        No trial is begun then. Others go on, the best first, where the time left suffices for them too.
        """
        going_on = {number: trial for number, trial in self._trials.items() if not trial.ending}
        best = min((number for number in going_on if going_on[number].history), key=self._rank, default=None)
        needed_s = 0.0 if best is None else self._seconds_to_end(self._trials[best]) * SAFETY
        if self._budget.left_s > needed_s:
            return
        self._closed, self._finalist, self._needs_finalist = True, best, best is None
        self._store.set(CLOSED_AFTER, self._spec.budget.minutes)
        paused = [number for number, trial in going_on.items() if not trial.running]
        self._queue = sorted((number for number in paused if going_on[number].history), key=self._rank)
        for number in paused:
            if number not in self._queue:
                self._drop(number, *OUT_OF_TIME)

    def _decide_closed(self, number: int) -> Decision:
        """Lets the trials go on that can finish; without a finalist the first evaluated trial becomes it."""
        if self._needs_finalist and self._finalist is None:
            self._finalist, self._needs_finalist = number, False
        return Decision.GO if self._can_finish(number) else Decision.STOP

    def _can_finish(self, number: int) -> bool:
        """True for the finalist, for which the time was kept, and for a trial that the time left suffices for."""
        return number == self._finalist or self._budget.left_s >= self._seconds_to_end(self._trials[number]) * SAFETY

    def _rank(self, number: int) -> tuple[tuple[float, ...], float, int]:
        """Sorts the best trial first: by value, because more training betters it, then by the training done."""
        last = self._trials[number].history[-1]
        return self._ranking.early_key(last.metrics), -last.fraction, number

    def _seconds_to_end(self, trial: _Trial) -> float:
        """Estimates the time from the trial's own speed; a trial that no engine holds may have to start again."""
        last = trial.history[-1]
        return last.whole_s * (1 - last.fraction) if trial.live else last.whole_s
