"""Replays a search over learning curves that are known: the real `Search`, with slots that train nothing.

A slot is busy as long as the training of the curve took, or one unit of time where that is not recorded. Between two
evaluations of a curve the earlier one counts, if it comes after at least half of the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from harness.errors import FailReason
from harness.records.curves import Curve, Curves
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState, record_of
from harness.records.store import StoredTrial, sound
from harness.search.curve_proposer import CurveProposer
from harness.search.search import Search
from harness.search.source import Decision
from harness.spec.constraints import Ranking
from harness.spec.steps import step_at
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["Replayed", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The outcome of a replayed search.

    `cost` is the training done, as a share of training all its trials to their ends. `regret` is the final score of the
    best of these trials less that of the trial picked, at least 0; NaN where none was trained to its end. `unknown` are
    the numbers of curves that end before the search stopped their trials, `unseen` of those without an evaluation near
    one of its rungs. `picked` is the curve of the pick.
    """

    cost: float
    regret: float
    unknown: tuple[int, ...]
    unseen: tuple[int, ...]
    picked: Curve | None


def replay(curves: Curves, spec: StudySpec, num_slots: int = 1) -> Replayed:
    """Replays the search of `spec`, the study of the curves with another pruner, sampler, seed or number of trials."""
    store, proposer = MemoryStore(), CurveProposer(spec, curves)
    search = Search(
        spec,
        store,
        RunFolder(Path("replay")),
        num_train_rows=curves.num_train_rows,
        chance=curves.chance,
        clock=lambda: 0.0,
        proposer=proposer,
    )
    slots = ReplaySlots(search, proposer, num_slots, np.random.default_rng(spec.search.seed))
    slots.run()
    ranking, trials = Ranking.of(spec), slots.trials.values()
    keys = {trial.number: ranking.key(trial.curve.history[-1].metrics) for trial in trials}
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    picked = min(complete, key=lambda trial: keys[trial.number], default=None)
    best = min((keys[trial.number] for trial in trials if trial.curve.whole), default=None)
    return Replayed(
        cost=sum(trial.step * trial.batch_size for trial in trials)
        / sum(trial.total_steps * trial.batch_size for trial in trials),
        regret=float("nan") if picked is None or best is None else max(0.0, keys[picked.number][1] - best[1]),
        unknown=tuple(sorted(trial.curve.number for trial in trials if trial.unknown)),
        unseen=tuple(sorted(trial.curve.number for trial in trials if trial.unseen)),
        picked=picked.curve if picked is not None else None,
    )


class MemoryStore:
    """A `TrialStore` that keeps the attributes of one search, and no trials: the search itself holds them."""

    def __init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # as `StudyStore.open` does
        self._attributes: dict[str, Any] = {}

    def load(self) -> list[StoredTrial]:
        """Returns no trials."""
        return []

    def get(self, key: str, default: Any = None) -> Any:
        """Returns an attribute of the study; `default` where it is not set."""
        return self._attributes.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Sets an attribute of the study."""
        self._attributes[key] = value

    def create(self, config: TrialConfig, **template: Any) -> None:
        """Keeps nothing."""

    def report(self, number: int, progress: Progress) -> None:
        """Keeps nothing."""

    def rewrite(self, number: int, history: Sequence[Progress]) -> None:
        """Keeps nothing."""

    def end(self, record: TrialRecord) -> TrialRecord:
        """Returns the record as `StudyStore` would write it."""
        return sound(record)


@dataclass(slots=True, kw_only=True)
class ReplayTrial:
    """A trial and its curve; `steps` are those of its evaluations, each with the number of rows that it scores.

    `unknown`: the search let it go on beyond the end of its curve. `unseen`: the search judges it where its curve has
    no evaluation at or before that point, or only one at less than half of the steps.
    """

    config: TrialConfig
    curve: Curve
    steps: dict[int, int | None]
    history: list[Progress] = field(default_factory=list)
    state: TrialState = TrialState.RUNNING
    unknown: bool = False
    unseen: bool = False

    @classmethod
    def of(cls, config: TrialConfig, curve: Curve) -> ReplayTrial:
        """Plans the evaluations: at the trial's rungs, at its end, and at other points that the curve has."""
        total = curve.history[-1].total_steps
        rungs = {step_at(total, share) for share in config.rungs if share is not None}
        known = rungs | {progress.step for progress in curve.history} | {total}
        points = zip(config.evaluate_at, config.validation_rows, strict=True)
        steps = {step_at(total, share): num_rows for share, num_rows in points}
        return cls(config=config, curve=curve, steps={step: rows for step, rows in steps.items() if step in known})

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.config.number

    @property
    def total_steps(self) -> int:
        """The steps of its full training."""
        return self.curve.history[-1].total_steps

    @property
    def step(self) -> int:
        """The steps trained so far."""
        return self.history[-1].step if self.history else 0

    @property
    def batch_size(self) -> int:
        """The examples of a step."""
        return self.config.training.batch_size

    @property
    def next_step(self) -> int:
        """The step of its next evaluation."""
        return min(step for step in self.steps if step > self.step)

    @property
    def seconds_to_next(self) -> float:
        """The time that the slot needs up to the next evaluation."""
        last = self.curve.history[-1]
        return (last.whole_s or 1.0) * (self.next_step - self.step) / self.total_steps

    def advance(self, order: np.ndarray) -> Progress | None:
        """Returns the next evaluation; None where the curve ends before it, or has none near it.

        `order` [rows] are the validation rows in the order in which an evaluation of fewer rows takes them.
        """
        step = self.next_step
        if step > self.curve.history[-1].step:
            self.unknown = True
            return None
        near = [progress for progress in self.curve.history if step <= 2 * progress.step and progress.step <= step]
        if not near:
            self.unseen = True
            return None
        found = near[-1]
        changes: dict[str, Any] = {"number": self.number, "step": step}
        num_rows, values = self.steps[step], self.curve.rows.get(found.step)
        if num_rows is not None and num_rows < found.num_rows and values:
            some = {name: float(of_rows[order[:num_rows]].mean()) for name, of_rows in values.items()}
            changes |= {"num_rows": num_rows, "metrics": found.metrics | some}
        self.history.append(found.model_copy(update=changes))
        return self.history[-1]


class ReplaySlots:
    """Runs the trials of a search side by side, in the order in which real slots would finish their evaluations."""

    def __init__(self, search: Search, proposer: CurveProposer, num_slots: int, rng: np.random.Generator) -> None:
        self._search, self._proposer, self._num_slots, self._rng = search, proposer, num_slots, rng
        self._running: list[tuple[float, int]] = []
        self._orders: dict[int, np.ndarray] = {}
        self._now_s = 0.0
        self.trials: dict[int, ReplayTrial] = {}

    def run(self) -> None:
        """Runs until the search is finished."""
        while self._fill():
            self._now_s, number = heappop(self._running)
            self._evaluate(self.trials[number])
            self._end_dropped()

    def _fill(self) -> bool:
        """Gives a trial to every free slot; returns False when no trial runs, because the search is finished."""
        while len(self._running) < self._num_slots:
            config = self._search.next()
            while config is None and self._end_dropped():
                config = self._search.next()
            if config is None:
                break
            if config.number not in self.trials:
                self.trials[config.number] = ReplayTrial.of(config, self._proposer.curve_of[config.number])
            self._go_on(self.trials[config.number])
        return bool(self._running)

    def _go_on(self, trial: ReplayTrial) -> None:
        heappush(self._running, (self._now_s + trial.seconds_to_next, trial.number))

    def _evaluate(self, trial: ReplayTrial) -> None:
        num_rows = trial.curve.history[-1].num_rows
        if num_rows not in self._orders:
            self._orders[num_rows] = self._rng.permutation(num_rows)
        progress = trial.advance(self._orders[num_rows])
        if progress is None:
            self._end(trial, TrialState.FAIL, reason=FailReason.STOPPED)
            return
        decision = self._search.decide(trial.number, progress)
        if progress.done:
            self._end(trial, TrialState.COMPLETE)
        elif decision is Decision.STOP:
            self._end(trial, TrialState.PRUNED)
        elif decision is Decision.GO:
            self._go_on(trial)

    def _end_dropped(self) -> bool:
        dropped = self._search.dropped()
        for number in dropped:
            self._end(self.trials[number], TrialState.PRUNED)
        return bool(dropped)

    def _end(self, trial: ReplayTrial, state: TrialState, **fields: Any) -> None:
        trial.state = self._search.end(record_of(trial.config, state, trial.history, **fields)).state
