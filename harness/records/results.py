"""The results of a run: its study, records, decision and live state, read from the run folder.

Optuna and pandas take a second to import, so they are imported in the functions that need them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from harness.records import earlier
from harness.records.decisions import export_of, finish_keys
from harness.records.files import plain
from harness.records.final import Baseline, Final
from harness.records.live import Live
from harness.records.manifest import Manifest, read_manifest
from harness.records.rundir import RunFolder, nearest_run
from harness.records.schema import Period, TrialRecord, TrialState
from harness.spec.constraints import Constraints, Ranking, constraints_of
from harness.spec.requirement import Requirement
from harness.spec.rungs import rung_fractions, rung_share
from harness.spec.study import StudySpec
from harness.spec.tasks import TaskFacts, facts_of
from harness.stats.metric import Metric

if TYPE_CHECKING:
    import pandas as pd

    from harness.records.store import StudyStore

__all__ = ["CONFIRM", "FINAL", "FORECAST", "PERIODS", "LeaderRow", "Results", "decision", "load", "rung"]

#: Suffix of the study's name; the Optuna study of that name holds the confirmation trials.
CONFIRM = "/confirm"
#: The study's attribute that holds its decision.
FINAL = "final"
#: The study's attribute that holds the periods of its searches and confirmations.
PERIODS = "periods"
#: The study's attribute that holds how long `harness plan` expected search and confirmation to take.
FORECAST = "forecast"
#: The live state of a run that no coordinator has begun.
NOT_BEGUN = Live()
ORDER = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderRow:
    """A search trial on the leaderboard; `metrics` are means over `seeds`, `std` is 0 with one seed.

    `violates` are the constraints that it does not meet; of a trial that did not complete, those known so far.
    """

    record: TrialRecord
    metrics: Mapping[str, float]
    std: Mapping[str, float]
    seeds: tuple[int, ...]
    violates: tuple[Requirement, ...] = ()

    @property
    def confirmed(self) -> bool:
        """True when more than the search's own seed was trained."""
        return len(self.seeds) > 1

    @property
    def complete(self) -> bool:
        """True when the trial was trained to its end."""
        return self.record.state is TrialState.COMPLETE

    @property
    def may_win(self) -> bool:
        """True for a complete trial that meets every constraint."""
        return self.complete and not self.violates


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All results of a run.

    Trials that have not ended are in state RUNNING; while a process works on the study, those in no slot are WAITING.
    """

    folder: Path
    spec: StudySpec
    trials: tuple[TrialRecord, ...]
    confirm: tuple[TrialRecord, ...]
    baselines: tuple[Baseline, ...]
    final: Final | None
    manifest: Manifest
    live: Live = NOT_BEGUN
    held: bool = False
    """True while a process holds the run folder's lock."""
    spent_s: float = 0.0
    """Wall time of the search so far, which counts against the budget."""
    closed_after_minutes: float | None = None
    """The budget, in minutes, at whose end the search was closed; None where it was not, and in earlier versions."""
    periods: tuple[Period, ...] = ()
    """The searches and confirmations of all sweeps, in order; none in runs of earlier versions."""
    forecast_s: tuple[float, float, float] | None = None
    """Least, expected and most seconds of search and confirmation, as `harness plan` told them before."""
    facts: tuple[str, ...] = ()
    """Facts of the data, determined before training, a line each (`unknown tokens: 0.0%`)."""

    @property
    def objective(self) -> Metric:
        """The first objective."""
        return self.task.metric(self.spec.search.objectives[0])

    @property
    def task(self) -> TaskFacts:
        """The facts of the study's task."""
        return facts_of(self.spec.task)

    @property
    def constraints(self) -> Constraints:
        """The study's constraints."""
        return constraints_of(self.spec)

    @property
    def worked_on(self) -> bool:
        """True while a process works on the study."""
        return self.held or self.live.is_alive()

    @property
    def outdated(self) -> bool:
        """True where the study goes on, or should, after its decision: with more trials, or another confirmation."""
        return self.final is not None and self.final.of is not None and self.final.of != finish_keys(self.spec)

    @property
    def interrupted(self) -> bool:
        """True where the process that worked on the study is gone, and left trials or the decision undone."""
        if self.live.pid is None or self.worked_on:
            return False
        states = [record.state for record in (*self.trials, *self.confirm)]
        undecided = (self.final is None or self.outdated) and TrialState.COMPLETE in states
        return undecided or not all(state.ended for state in states)

    def leaderboard(self) -> list[LeaderRow]:
        """The search trials, best first; terminal, page and figures all show this order.

        Confirmed trials come first, in the order of the decision (before it, by their mean over seeds), then complete
        ones, complete ones that violate a constraint (the nearest to it first), running, pruned and failed trials.
        """
        decided, ranking = self._decided(), Ranking.of(self.spec)
        rows = [self._row(record, ranking.constraints) for record in self.trials]
        return sorted(rows, key=lambda row: (decided.get(row.record.number, len(decided)), *self._order(row, ranking)))

    def _decided(self) -> Mapping[int, int]:
        """The rank of each confirmed configuration that may win: the winner, then by mean over seeds."""
        if self.final is None or self.final.winner is None:
            return {}
        constraints = self.constraints
        finalists = (finalist for finalist in self.final.finalists if not constraints.unmet(finalist.metrics))
        confirmed = (finalist.number for finalist in finalists if len(finalist.seeds) > 1)
        return {number: place for place, number in enumerate(dict.fromkeys([self.final.winner, *confirmed]))}

    def _row(self, record: TrialRecord, constraints: Constraints) -> LeaderRow:
        confirmed = [
            other for other in self.confirm if other.config.of == record.number and other.state is TrialState.COMPLETE
        ]
        runs = [record, *confirmed] if record.state is TrialState.COMPLETE else [record]
        metrics, std = _mean_and_std([run.metrics for run in runs])
        violates = (constraints.unmet if record.state is TrialState.COMPLETE else constraints.violated)(metrics)
        seeds = tuple(run.seed for run in runs)
        return LeaderRow(record=record, metrics=metrics, std=std, seeds=seeds, violates=violates)

    def _order(self, row: LeaderRow, ranking: Ranking) -> tuple[bool, bool, int, float, tuple[float, ...], int]:
        record = row.record
        trained = 1.0 if row.complete else self.trained(record)
        key = (ranking.key if row.complete else ranking.early_key)(row.metrics)
        violates = row.complete and bool(row.violates)
        return not row.complete, violates, ORDER.index(record.state), -trained, (not row.confirmed, *key), record.number

    def trained(self, record: TrialRecord) -> float:
        """The share of its steps that a trial has trained; trials that stopped at one rung have the same share."""
        if not record.history:
            return 0.0
        last, ladder = record.history[-1], rung_fractions(self.spec)
        share = rung_share(ladder, record.config.rungs, last.step, last.total_steps)
        return rung(record) if share is None else share

    def best(self) -> LeaderRow | None:
        """The winner; before the decision the first trial of the leaderboard that may win; None without one."""
        complete = [row for row in self.leaderboard() if row.complete]
        if self.final is None:
            complete = [row for row in complete if row.may_win]
        elif self.final.winner is None:
            return None
        else:
            complete = [row for row in complete if row.record.number == self.final.winner] or complete
        return complete[0] if complete else None

    @property
    def why_no_winner(self) -> str:
        """What follows "RUN has no winner" in a message: why not, and what gives one."""
        if self.final is not None and self.final.winner is None:
            return f", as no trial meets {' and '.join(self.spec.search.constraints)}; give it more trials"
        return " yet; let the sweep come to its end"

    def nearest(self) -> LeaderRow | None:
        """The complete trial that is nearest to the constraints, where the decision found none that meets them."""
        if self.final is None or self.final.winner is not None or not self.final.finalists:
            return None
        number = self.final.finalists[0].number
        return next(row for row in self.leaderboard() if row.record.number == number)

    def to_json(self) -> dict[str, Any]:
        """The results as `harness results --json` prints them; NaN is null.

        A study with constraints has them too, and each of its trials those that it `violates`.
        """
        constraints = self.constraints
        document: dict[str, Any] = {
            "study": self.spec.name,
            "trials": [self._trial_json(record, constraints) for record in self.trials],
            "confirm": [
                {"trial": record.config.of, "seed": record.seed, "metrics": dict(record.metrics)}
                for record in self.confirm
                if record.state is TrialState.COMPLETE
            ],
            "baselines": [{"name": model.name, "metrics": dict(model.metrics)} for model in self.baselines],
            "best": self._best_json(),
            "models": self._models_json(),
            "precision": [choice.model_dump(mode="json") for choice in self.manifest.precision],
            "interrupted": self.interrupted,
            "outdated": self.outdated,
        }
        if constraints.requirements:
            document["constraints"] = [requirement.text for requirement in constraints.requirements]
        json_document: dict[str, Any] = plain(document)
        return json_document

    def _trial_json(self, record: TrialRecord, constraints: Constraints) -> dict[str, Any]:
        if not constraints.requirements:
            return record.to_json()
        violates = [requirement.text for requirement in self._row(record, constraints).violates]
        return record.to_json() | {"violates": violates}

    def _best_json(self) -> dict[str, Any] | None:
        best = self.best()
        if best is None:
            return None
        winner = self.final.winning_model if self.final else None
        return {
            "number": best.record.number,
            "params": dict(best.record.params),
            "metrics": dict(best.metrics),
            "seed": winner.seed if winner else None,
            "test": {name: asdict(value) for name, value in winner.test.items()} if winner else {},
            "export": self.export_path(),
        }

    def _models_json(self) -> list[dict[str, Any]]:
        """The models that were scored on test, each but the winner with the winner's comparison with it."""
        final = self.final
        if final is None:
            return []
        against = {pair.b: pair.model_dump(exclude={"a", "b"}) for pair in final.comparisons if pair.a == "winner"}
        return [model.model_dump() | {"winner_against_it": against.get(model.role)} for model in final.models]

    def export_path(self) -> str | None:
        """The exported model's absolute path; None when there is none (yet)."""
        folder = export_of(self.folder, self.final) if self.final else None
        return str(folder) if folder else None

    def frame(self) -> pd.DataFrame:
        """The leaderboard as a table, one row a trial: number, state and why, params, metrics, time, place."""
        import pandas as pd

        rows, constrained = [], bool(self.constraints.requirements)
        for row in self.leaderboard():
            record = row.record
            rows.append(
                {
                    "number": record.number,
                    "state": record.state.value,
                    "reason": record.reason.value if record.reason else None,
                    "message": record.message or None,
                    **record.params,
                    **row.metrics,
                    **({"violates": "; ".join(each.text for each in row.violates)} if constrained else {}),
                    "seeds": len(row.seeds),
                    "duration_s": record.duration_s,
                    "device": record.place.device if record.place else None,
                    "precision": record.precision,
                    "node": record.place.node if record.place else None,
                }
            )
        return pd.DataFrame(rows)


def load(run: Path) -> Results:
    """Reads a run folder; a sweep may be writing to it meanwhile.

    Raises:
        RunError: `run` is not a run folder, or its study cannot be read.
    """
    from harness.records.store import CLOSED_AFTER, StudyStore

    folder = RunFolder(run)
    manifest = read_manifest(folder)
    if manifest is None:
        raise RunError(
            f"{run} is not a run folder (no manifest.json); runs are made by harness sweep, under runs/"
            f"{nearest_run(run)}"
        )
    spec = manifest.spec
    store = StudyStore.open(
        folder.storage(spec), spec.name, spec.search.objectives, rungs=rung_fractions(spec), create=False
    )
    try:
        confirm, live = store.sibling(spec.name + CONFIRM), folder.read_live()
        held = folder.is_held()
        records = {"search": store.records(), "confirm": confirm.records() if confirm else []}
        if held or live.is_alive():
            records |= {phase: _waiting(records[phase], live) for phase in records if phase == live.phase}
        return Results(
            folder=folder.path,
            spec=spec,
            trials=tuple(records["search"]),
            confirm=tuple(records["confirm"]),
            baselines=tuple(Baseline.model_validate(row) for row in store.get("baselines", [])),
            final=decision(store),
            manifest=manifest,
            live=live,
            held=held,
            periods=tuple(Period.model_validate(row) for row in store.get(PERIODS, [])),
            spent_s=float(store.get("spent_s", 0.0)),
            closed_after_minutes=store.get(CLOSED_AFTER),
            facts=tuple(map(str, store.get("facts", []))),
            forecast_s=tuple(store.get(FORECAST, ())) or None,
        )
    finally:
        store.close()


def _waiting(records: Sequence[TrialRecord], live: Live) -> list[TrialRecord]:
    """The records with the state WAITING of trials that are in no slot.

    A trial that the live state does not name is one that a process before left or, where it has no evaluation, one that
    begins: the live state is written once a second.
    """
    alive = live.is_alive()
    states = {trial.number: trial.state for trial in live.active} if alive else {}

    def runs(record: TrialRecord) -> bool:
        return states.get(record.number, "running" if alive and not record.history else "paused") == "running"

    return [
        record if record.state.ended or runs(record) else record.model_copy(update={"state": TrialState.WAITING})
        for record in records
    ]


def decision(store: StudyStore) -> Final | None:
    """The last decision of a study; None before the first."""
    raw = store.get(FINAL)
    if not raw:
        return None
    final = Final.model_validate(earlier.final(raw))
    return final if final.of else final.model_copy(update={"of": store.get("final_of")})  # of earlier versions


def rung(record: TrialRecord) -> float:
    """The planned share that is nearest to what a trial reached: 8 of 33 steps are 24.2 %, and the rung is 25 %."""
    if not record.history:
        return 0.0
    reached = record.history[-1].fraction
    return min(record.config.evaluate_at, key=lambda share: abs(share - reached))


def _mean_and_std(runs: list[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and sample standard deviation over runs of each metric that all runs have."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    values = {name: [run[name] for run in runs] for name in names}
    finite = {name for name in names if all(map(math.isfinite, values[name]))}
    std = {name: stdev(values[name]) if len(runs) > 1 and name in finite else 0.0 for name in names}
    return {name: fmean(values[name]) for name in names}, std
