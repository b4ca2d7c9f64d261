"""The search as a source of trials: proposals, pruning and budget over the study on disk.

Knows nothing of processes, devices or how a trial is run. The only writer of the search study.

A study continues by making a `Search` over the same store: ended trials are never given out again; a trial that was
left running is, under its own number, params and seed, and passes the rungs it had passed without being asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import FailReason
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState, best_progress, record_of, with_earlier
from harness.records.store import StoredTrial, StudyStore
from harness.search.budget import Budget
from harness.search.deal import Dealer
from harness.search.keepers import Keepers
from harness.search.propose import Proposer
from harness.search.pruners.registry import make_policy
from harness.search.source import Decision
from harness.spec.configure import arms, default_numbers, rung_fractions
from harness.spec.rungs import rung_share
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig

__all__ = ["BUDGET", "Search"]

#: Message of a trial that was stopped for lack of time.
BUDGET = "budget"
#: The winner's last stretch may be slower than the stretch it is estimated from.
SAFETY = 1.1


@dataclass(slots=True)
class _Trial:
    """A trial that has not ended.

    `live`: the engine has it; `running`: and it does not stand; `ending`: the engine was told to end it; `broken`:
    why its evaluations do not count.
    """

    config: TrialConfig
    arm: int
    history: list[Progress] = field(default_factory=list)
    live: bool = False
    running: bool = False
    ending: bool = False
    broken: tuple[FailReason, str] | None = None


class Search:
    """A `TrialSource`. `store` must be freshly opened; `run` is where snapshots are looked for.

    With the number of rows of the training split each trial has rungs of its own. `chance` is what the task's trivial
    baseline has on validation, by metric: while no trial is better nobody is pruned.
    """

    def __init__(
        self,
        spec: StudySpec,
        store: StudyStore,
        run: RunFolder,
        *,
        num_train_rows: int | None = None,
        chance: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec, self._store, self._run = spec, store, run
        self._objective = spec.search.objectives[0]
        self._num_arms = len(arms(spec))
        self._budget = Budget(spec.budget.minutes, store, clock)
        self._trials: dict[int, _Trial] = {}
        self._queue: list[int] = []
        self._dropped: list[int] = []
        self._closed = False
        self._finalist: int | None = None
        self._wanted = False
        top = max(2, spec.num_finalists)  # winner and runner-up are scored on test
        self._keepers = Keepers(top, self._num_arms, default_numbers(spec))
        stored = [self._afresh(self._finished(trial)) for trial in store.load()]
        self._dealer = Dealer(spec, store, stored, num_train_rows)
        self._proposer = self._dealer.proposer
        self._policy = make_policy(spec, chance)
        self._restore(stored)

    # What came before

    def _finished(self, trial: StoredTrial) -> StoredTrial:
        """Ends a trial again whose coordinator died between writing its record and its state."""
        if not trial.record.state.ended or trial.state.ended:
            return trial
        record = self._store.end(trial.record)
        return replace(trial, state=record.state, record=record)

    def _afresh(self, trial: StoredTrial) -> StoredTrial:
        """Lets a population's trial that has not ended begin again: whose training it took up is known no more."""
        if trial.state.ended or not trial.record.history or self._spec.search.pruner.name != "ray-pbt":
            return trial
        self._store.rewrite(trial.number, [])
        return replace(trial, record=record_of(trial.config, TrialState.RUNNING))

    def _restore(self, stored: list[StoredTrial]) -> None:
        self._expect()
        for trial in stored:
            arm = Proposer.arm_of(trial)
            self._policy.restore(trial.number, arm, trial.record.history, trial.state, trial.config.rungs)
            if trial.state is TrialState.COMPLETE:
                saved = trial.record.weights is not None
                self._keepers.ended(trial.number, arm, self._key(trial.record.metrics), saved=saved)
            elif not trial.state.ended:
                self._trials[trial.number] = _Trial(trial.config, arm, list(trial.record.history))
        self._policy.settle()

    # What an engine asks

    def next(self) -> TrialConfig | None:
        """The next trial to run; None: nothing for now (for good, when no trial is active or paused)."""
        self._turn()
        if not self._queue and not self._closed:
            self._deal()
        if not self._queue:
            self._budget.tick(write=True)
            return None
        trial = self._trials[self._queue.pop(0)]
        trial.live = trial.running = True
        return trial.config

    def decide(self, number: int, progress: Progress) -> Decision:
        trial = self._trials[number]
        trial.broken = self._flaw(progress)
        repeated = bool(trial.history) and progress.step <= trial.history[-1].step
        decision = Decision.STOP if trial.broken else Decision.GO
        if not trial.broken and not repeated:
            decision = self._learn(trial, progress)
        if progress.done:
            decision = Decision.GO
        elif self._closed and not trial.broken:
            decision = self._decide_closed(number)
        trial.running = decision is not Decision.PAUSE
        trial.ending = decision is Decision.STOP or progress.done
        return decision

    def _learn(self, trial: _Trial, progress: Progress) -> Decision:
        """Takes in an evaluation that is not a repetition."""
        trial.history.append(progress)
        self._store.report(progress.number, progress)
        self._proposer.observe(progress.number, progress, trial.config.rungs)
        decision = self._policy.decide(progress.number, progress)
        self._turn()
        return decision

    def took_up(self, number: int, history: Sequence[Progress]) -> None:
        self._trials[number].history = list(history)
        self._store.rewrite(number, history)

    def dropped(self) -> list[int]:
        self._collect()
        dropped, self._dropped = self._dropped, []
        return dropped

    def keep(self, number: int, progress: Progress) -> bool:
        trial = self._trials[number]
        best = best_progress(trial.history, self._objective)
        return best is not None and self._keepers.wants(number, trial.arm, self._key(best.metrics))

    def unneeded(self) -> list[int]:
        """Trials whose saved weights nobody needs any more; each told once."""
        return self._keepers.unneeded()

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        """The snapshot, unless it knows of evaluations that the study does not."""
        folder, history = self._run.snapshot("search", number)
        known = [progress.step for progress in self._trials[number].history]
        return (folder, history) if [progress.step for progress in history] == known[: len(history)] else (None, [])

    def end(self, record: TrialRecord) -> None:
        trial = self._trials[record.number]
        changes: dict[str, object] = {}
        if trial.broken:
            changes = {"state": TrialState.FAIL, "reason": trial.broken[0], "message": trial.broken[1]}
        elif self._closed and record.state is TrialState.PRUNED and not record.message:
            changes = {"message": BUDGET}
        if len(record.history) < len(trial.history):  # it ended while it was being repeated
            whole = record_of(trial.config, record.state, trial.history)
            changes |= {"history": whole.history, "metrics": whole.metrics, "best_step": whole.best_step}
        self._end(with_earlier(record.model_copy(update=changes), trial.history))
        self._turn()

    # How it ended

    @property
    def exhausted(self) -> bool:
        """True when the space gave nothing new before all trials were dealt."""
        return bool(self._dealer.exhausted)

    @property
    def all_begun(self) -> bool:
        """True when no new trial will be given out."""
        return self._closed or self._dealer.done

    @property
    def out_of_budget(self) -> bool:
        """True when the search was closed for lack of time."""
        return self._closed

    @property
    def spent_s(self) -> float:
        """Wall time of the search, earlier continuations included."""
        return self._budget.spent_s

    # New trials

    def _deal(self) -> None:
        """Queues a new trial; where an arm has no more, those that wait for it go on."""
        dealt = self._dealer.deal()
        if dealt is not None:
            config, arm = dealt
            self._trials[config.number] = _Trial(config, arm)
            self._policy.add(config.number, arm, config.rungs)
            self._queue.append(config.number)
        self._expect()

    def _expect(self) -> None:
        """Tells the pruner how many trials to wait for."""
        for arm in range(self._num_arms):
            self._policy.expect(arm, self._dealer.share(arm))
        self._collect()

    # Going on, dropping, ending

    def _turn(self) -> None:
        """After whatever happened: the time, what the pruner decided, and the budget."""
        self._budget.tick()
        self._collect()
        if not self._closed and math.isfinite(self._budget.left_s):
            self._close_in_time()

    def _collect(self) -> None:
        """Takes promoted and dropped trials from the pruner; it has no say once the search is closed."""
        dropped, promoted = self._policy.dropped(), self._policy.promoted()
        if not self._closed:
            self._queue += promoted
            for number in dropped:
                self._drop(number, "")

    def _drop(self, number: int, message: str) -> None:
        """Has the engine end a trial that stands; ends it here when no engine holds it."""
        trial = self._trials[number]
        if trial.live:
            trial.ending = True
            self._dropped.append(number)
            return
        state, reason = (TrialState.PRUNED, None) if trial.history else (TrialState.FAIL, FailReason.STOPPED)
        now = time.time()
        self._end(record_of(trial.config, state, trial.history, reason=reason, message=message, ended_at=now))

    def _end(self, record: TrialRecord) -> None:
        record = self._store.end(record)
        trial = self._trials.pop(record.number)
        for queue in (self._queue, self._dropped):
            if record.number in queue:
                queue.remove(record.number)
        if record.state is TrialState.COMPLETE:
            saved = record.weights is not None
            self._keepers.ended(record.number, trial.arm, self._key(record.metrics), saved=saved)
        self._proposer.end(record)
        self._policy.end(record.number, record.state)
        if record.number == self._finalist:
            self._finalist, self._wanted = None, record.state is not TrialState.COMPLETE

    def _flaw(self, progress: Progress) -> tuple[FailReason, str] | None:
        for name in self._spec.search.objectives:
            value = progress.metrics.get(name)
            if value is None:
                return FailReason.CRASH, f"the evaluation at step {progress.step} gives no objective '{name}'"
            if not math.isfinite(value):
                return FailReason.NAN, f"objective '{name}' is {value} at step {progress.step}"
        return None

    def _key(self, metrics: dict[str, float]) -> tuple[float, float]:
        return facts_of(self._spec.task).rank_key(metrics, self._objective)

    # The budget

    def _close_in_time(self) -> None:
        """Closes the search while what is left is just enough to bring the best trial to its end."""
        going_on = {number: trial for number, trial in self._trials.items() if not trial.ending}
        best = min((number for number in going_on if going_on[number].history), key=self._rank, default=None)
        needed_s = 0.0 if best is None else self._seconds_to_end(self._trials[best]) * SAFETY
        if self._budget.left_s > needed_s:
            return
        self._closed, self._finalist, self._wanted = True, best, best is None
        self._queue = [] if best is None or self._trials[best].running else [best]
        for number, trial in going_on.items():
            if number != best and not trial.running:
                self._drop(number, BUDGET)

    def _decide_closed(self, number: int) -> Decision:
        """The finalist goes on, and the first to be evaluated becomes it where there is none."""
        if self._wanted and self._finalist is None:
            self._finalist, self._wanted = number, False
        return Decision.GO if number == self._finalist else Decision.STOP

    def _rank(self, number: int) -> tuple[float, tuple[float, float], int]:
        """Best first: the furthest trained (at the same rung all are), then the better value."""
        trial = self._trials[number]
        last = trial.history[-1]
        share = rung_share(rung_fractions(self._spec), trial.config.rungs, last.step, last.total_steps)
        return -(last.fraction if share is None else share), self._key(last.metrics), number

    def _seconds_to_end(self, trial: _Trial) -> float:
        """From its own pace; a trial that no engine holds may have to start again."""
        last = trial.history[-1]
        return last.whole_s * (1 - last.fraction) if trial.live else last.whole_s
