"""The state of a phase while it runs: its trials, the best so far, and the time left.

It is filled by the calls of a `Monitor`, or from records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path

from harness.records.rundir import KINDS
from harness.records.schema import Place, Progress, TrialRecord, TrialState
from harness.records.shares import WRITTEN, read_share
from harness.spec.configure import arms, keeps_default, rung_fractions
from harness.spec.constraints import Ranking
from harness.spec.rungs import num_promoted, promoted_shares, rungs_passed
from harness.spec.steps import step_at
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.stats.shown import percent
from harness.terminal.words import ending_of

__all__ = ["Board", "BoardRow"]

#: The time left is estimated from this number of evaluations on.
LEAST_EVALUATIONS = 3


@dataclass(slots=True, kw_only=True, eq=False)
class BoardRow:
    """A trial with its last evaluation; `record` is None until it has ended."""

    config: TrialConfig
    progress: Progress | None = None
    waiting: bool = False
    record: TrialRecord | None = None

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.config.number

    @property
    def running(self) -> bool:
        """True while the trial is in a slot."""
        return self.record is None and not self.waiting

    @property
    def fraction(self) -> float:
        """The share of its training that is done; all of it where patience has ended the trial."""
        if self.progress is None:
            return 0.0
        return 1.0 if self.progress.done else self.progress.fraction

    def reached(self, rungs: Sequence[float]) -> float:
        """Returns the share of the training at which this trial is compared with others: that of its last evaluation.

        It is counted by the study's `rungs`, because a trial's own may lie later: at the end of its warm-up, or at the
        next whole step.
        """
        last = self.progress
        if last is None:
            return 0.0
        passed = rungs_passed(self.config.rungs, last.step, last.total_steps)
        share = max((at for at in self.config.evaluate_at if last.step >= step_at(last.total_steps, at)), default=0.0)
        own = [at for at in self.config.rungs if at is not None]
        return rungs[passed[-1]] if passed and share <= own[-1] else share

    def value(self, name: str) -> float:
        """Returns a metric of an ended trial's best evaluation, else of the last one; NaN without one."""
        return self.metrics.get(name, float("nan"))

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of an ended trial's best evaluation, else of the last one; empty without one."""
        return self.record.metrics if self.record else self.progress.metrics if self.progress else {}

    @property
    def state(self) -> str:
        """The state in a few words, with the reason why a trial was pruned."""
        if self.record is not None:
            return ending_of(self.record)
        if self.waiting:
            return f"waiting at {100 * self.fraction:.0f}\u00a0%"
        return "training"


@dataclass(slots=True)
class Board:
    """The trials of one phase ("search" or "confirm") of `spec`; `num_slots` run at once."""

    spec: StudySpec
    phase: str = ""
    total: int = 0
    num_slots: int = 1
    rows: dict[int, BoardRow] = field(default_factory=dict)
    began_at: float = 0.0
    spent_before_s: float = 0.0
    clock: Callable[[], float] = time.time
    folder: Path | None = None
    """The run folder, in which running trials say how much of their answers is written; None: it is not looked at."""

    def begin(self, phase: str, total: int, slots: Sequence[Place], earlier: Iterable[TrialRecord] = ()) -> None:
        """Starts a phase; `earlier` are its trials of an interrupted sweep."""
        self.phase, self.total, self.num_slots = phase, total, max(1, len(slots))
        self.began_at = self.clock()
        self.rows = {}
        for record in earlier:
            ended = record if record.state.ended else None
            last = record.history[-1] if record.history else None
            self.rows[record.number] = BoardRow(config=record.config, progress=last, waiting=True, record=ended)

    def started(self, config: TrialConfig) -> None:
        """Adds a trial that starts or goes on."""
        row = self.rows.setdefault(config.number, BoardRow(config=config))
        row.waiting = False

    def progressed(self, number: int, progress: Progress) -> None:
        """Adds an evaluation."""
        self.rows[number].progress = progress

    def paused(self, number: int) -> None:
        """Marks a trial as paused."""
        self.rows[number].waiting = True

    def ended(self, record: TrialRecord) -> None:
        """Adds the record of a trial that ended."""
        row = self.rows.setdefault(record.number, BoardRow(config=record.config))
        row.record, row.waiting = record, False
        row.progress = record.history[-1] if record.history else row.progress

    @property
    def objective(self) -> str:
        """The name of the first objective."""
        return self.spec.search.objectives[0]

    @property
    def by_number(self) -> list[BoardRow]:
        """All rows, by the trial's number."""
        return [self.rows[number] for number in sorted(self.rows)]

    @property
    def running(self) -> list[BoardRow]:
        """The rows of trials in a slot."""
        return [row for row in self.by_number if row.running]

    def state_of(self, row: BoardRow) -> str:
        """Returns the state of a trial in a few words; of one whose model writes answers, how much is written."""
        share = None
        if self.folder is not None and self.phase in KINDS and row.running:
            share = read_share(self.folder / KINDS[self.phase] / str(row.number) / WRITTEN)
        return row.state if share is None else f"writing answers, {percent(share, 0)}"

    @property
    def writing(self) -> list[tuple[BoardRow, str]]:
        """The running trials whose models write answers, each with its state."""
        states = [(row, self.state_of(row)) for row in self.running]
        return [(row, state) for row, state in states if state != row.state]

    @property
    def waiting(self) -> list[BoardRow]:
        """The rows of paused trials."""
        return [row for row in self.by_number if row.waiting and row.record is None]

    @property
    def num_ended(self) -> int:
        """How many trials have ended."""
        return sum(row.record is not None for row in self.rows.values())

    def best(self, count: int = 1) -> list[BoardRow]:
        """Returns the best trials so far; those trained furthest come first, because an early score says little.

        Trials that violate a constraint come last.
        """
        ranking, rungs = Ranking.of(self.spec), rung_fractions(self.spec)
        scored = [row for row in self.by_number if isfinite(row.value(self.objective)) and not self._failed(row)]

        def rank(row: BoardRow) -> tuple[float, float, tuple[float, ...]]:
            complete = row.record is not None and row.record.state is TrialState.COMPLETE
            key = (ranking.key if complete else ranking.early_key)(row.metrics)
            violates = bool(ranking.constraints.violated(row.metrics))
            return violates, -inf if complete else -row.reached(rungs), key

        return sorted(scored, key=rank)[:count]

    @staticmethod
    def _failed(row: BoardRow) -> bool:
        return row.record is not None and row.record.state is TrialState.FAIL

    # Time

    @property
    def budget_left_s(self) -> float | None:
        """The time that the search may still use; None without a budget, and after the search."""
        minutes = self.spec.budget.minutes
        if minutes is None or self.phase != "search":
            return None
        return max(0.0, minutes * 60 - self.spent_before_s - (self.clock() - self.began_at))

    @property
    def done(self) -> float:
        """The estimated share of the phase's work that is done, from 0 to 1."""
        work, expected = self._work(), self._expected_work()
        if self.num_ended >= self.total:
            return 1.0
        return min(0.99, work / expected) if expected else 0.0

    def left_s(self) -> float | None:
        """Returns the estimated seconds until the end, confirmation included; None before enough evaluations."""
        measured = [row for row in self.rows.values() if row.progress is not None]
        evaluations = sum(len(row.record.history) if row.record else 1 for row in measured)
        work = self._work()
        if evaluations < LEAST_EVALUATIONS or not work:
            return None
        whole_s = sum(row.progress.usage.elapsed_s for row in measured if row.progress) / work
        search_s = max(0.0, self._expected_work() - work) * whole_s / self.num_slots
        if self.budget_left_s is not None:
            search_s = min(search_s, self.budget_left_s)
        rounds = -(-self._confirmations() // self.num_slots) if self.phase == "search" else 0
        return search_s + rounds * whole_s

    def _work(self) -> float:
        """Returns the work done so far, in whole trainings."""
        return sum(row.fraction for row in self.rows.values())

    def _expected_work(self) -> float:
        """Returns the work of the whole phase, in trainings: by the rule of the rungs, else from the ended trials."""
        pruner = self.spec.search.pruner
        if self.phase == "search" and pruner.name == "rungs":
            shares = [len(range(arm, self.total, len(arms(self.spec)))) for arm in range(len(arms(self.spec)))]
            return sum(self._rungs_work(share) for share in shares)
        ended = [row.fraction for row in self.rows.values() if row.record is not None]
        usual = sum(ended) / len(ended) if ended and self.phase == "search" else 1.0
        active = sum(max(usual, row.fraction) for row in self.rows.values() if row.record is None)
        return sum(ended) + active + usual * max(0, self.total - len(self.rows))

    def _rungs_work(self, num_trials: int) -> float:
        """Returns the work of an arm, assuming that its further trials have rungs like the present ones."""
        promoted, least, kept = promoted_shares(self.spec), self.spec.num_finalists, int(keeps_default(self.spec))
        all_rungs = [row.config.rungs for row in self.rows.values() if row.config.rungs]
        judged = [rungs for rungs in all_rungs if any(rungs)]
        num_whole = round(num_trials * (1 - len(judged) / len(all_rungs))) if all_rungs else 0
        num_trials -= num_whole
        work, before = float(num_whole), 0.0
        for index, fraction in enumerate(rung_fractions(self.spec)):
            shares = [share for rungs in judged if (share := rungs[index]) is not None]
            rung = sum(shares) / len(shares) if shares else fraction
            work += (num_trials + kept * bool(before)) * (rung - before)
            num_trials = num_promoted(num_trials, promoted[index], least)
            before = rung
        return work + (num_trials + kept * bool(before)) * (1 - before)

    def _confirmations(self) -> int:
        confirm = self.spec.confirm
        return min(confirm.top, self.total) * (confirm.most_seeds - 1) * len(arms(self.spec)) if confirm else 0
