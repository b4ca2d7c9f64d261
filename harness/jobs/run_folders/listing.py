"""Lists the runs in a folder: study, state, trials, best score, age and size of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, InputError
from harness.records.results import Results, load
from harness.records.rundir import DATABASE, LIVE, MANIFEST
from harness.stats.metric import Metric

__all__ = ["RunEntry", "entries", "size_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A run folder. What cannot be read has a `problem`, and nothing of its study.

    `state` is running, stopped (the same command continues it), done or no winner. `score` is that of the winner on
    test, where it was scored there, else the best one on validation; None where there is none. `size_bytes` are of all
    files in the folder, and `changed_at` is a local time.
    """

    folder: Path
    changed_at: datetime
    size_bytes: int
    study: str = ""
    task: str = ""
    state: str = "not readable"
    ended: int = 0
    trials: int = 0
    metric: Metric | None = None
    score: float | None = None
    is_test: bool = False
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry as `harness runs --json` prints it."""
        return {
            "run": str(self.folder),
            "study": self.study or None,
            "task": self.task or None,
            "state": self.state,
            "ended_trials": self.ended,
            "trials": self.trials,
            "metric": self.metric.name if self.metric is not None else None,
            "best": self.score,
            "best_is_of": None if self.score is None else "test" if self.is_test else "validation",
            "changed_at": self.changed_at.astimezone().isoformat(timespec="seconds"),
            "bytes": self.size_bytes,
            "problem": self.problem or None,
        }


def entries(runs: Path) -> list[RunEntry]:
    """The runs in a folder, the one that changed last first.

    Raises:
        InputError: there is no such folder.
    """
    if not runs.is_dir():
        raise InputError(f"{runs}: there is no such folder; runs are made by harness sweep, under runs/")
    folders = [manifest.parent for manifest in runs.glob(f"*/{MANIFEST}") if not manifest.parent.is_symlink()]
    return sorted(map(_entry, folders), key=lambda entry: entry.changed_at, reverse=True)


def _entry(folder: Path) -> RunEntry:
    changed_at, size = _changed_at(folder), size_of(folder)
    try:
        results = load(folder)
    except HarnessError as error:
        return RunEntry(folder=folder, changed_at=changed_at, size_bytes=size, problem=str(error).splitlines()[0])
    score, is_test = _score(results)
    return RunEntry(
        folder=folder,
        changed_at=changed_at,
        size_bytes=size,
        study=results.spec.name,
        task=results.spec.task,
        state=_state(results),
        ended=sum(record.state.ended for record in results.trials),
        trials=results.spec.search.trials,
        metric=results.objective,
        score=score,
        is_test=is_test,
    )


def _state(results: Results) -> str:
    if results.worked_on:
        return "running"
    if results.final is None or results.outdated:
        return "stopped"
    return "done" if results.final.winner is not None else "no winner"


def _score(results: Results) -> tuple[float | None, bool]:
    name, winner = results.objective.name, results.final.winning_model if results.final is not None else None
    if winner is not None and name in winner.test:
        return winner.test[name].value, True
    best = results.best()
    return (best.metrics.get(name) if best is not None else None), False


def _changed_at(folder: Path) -> datetime:
    """Returns when the study was written to last."""
    times = [path.stat().st_mtime for name in (MANIFEST, DATABASE, LIVE) if (path := folder / name).exists()]
    return datetime.fromtimestamp(max(times))


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder; what a link points to does not count."""
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        with suppress(OSError):  # a sweep that runs removes files
            if not path.is_symlink() and path.is_file():
                yield path.stat().st_size
