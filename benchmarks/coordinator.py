"""What the coordinator costs by itself: trials that do nothing, through the search, the store and one warm worker.

Usage: python benchmarks/coordinator.py [--trials 10000] [--sampler random] [--profile FILE]

The study, its database, the dispatcher, the pipe and the worker process are those of a real sweep; only the trial
function does nothing but report.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import psutil

from harness.engines.open import open_engine
from harness.machine.slots import plan_slots
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord
from harness.records.store import StudyStore
from harness.search.propose import Proposal, Proposer
from harness.search.search import Search
from harness.spec.study import StudySpec

__all__ = ["measure", "noop_study", "run_noop"]

MIB = 2**20


def noop_study(trials: int, sampler: str = "random", *, pruner: str = "none", engine: str = "local") -> StudySpec:
    """A study of four parameters whose data and checkpoint nobody opens."""
    return StudySpec.model_validate(
        {
            "name": "noop",
            "data": {"path": "nowhere.csv"},
            "model": {"checkpoint": "none"},
            "training": {
                "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
                "batch_size": [8, 16, 32],
                "warmup_fraction": {"low": 0.0, "high": 0.2},
                "weight_decay": {"low": 0.0, "high": 0.1},
            },
            "search": {"trials": trials, "sampler": sampler, "pruner": {"name": pruner}},
            "confirm": None,
            "engine": {"name": engine, "device": "cpu", "slots_per_device": 1, "threads_per_slot": 1},
        }
    )


class Counting(Search):
    """Notes when each trial ended, and now and then memory and files."""

    def __init__(self, *arguments: Any, run: RunFolder, at: tuple[int, ...]) -> None:
        super().__init__(*arguments)
        self.ends: list[float] = []
        self.samples: list[dict[str, float]] = []
        self._folder, self._at, self._before = run.path, at, time.process_time()

    def end(self, record: TrialRecord) -> None:
        super().end(record)
        for number in self.unneeded():
            shutil.rmtree(self._folder / "trials" / str(number), ignore_errors=True)
        self.ends.append(time.perf_counter())
        if len(self.ends) in self._at:
            files = [path for path in self._folder.rglob("*") if path.is_file()]
            self.samples.append(
                {
                    "trials": len(self.ends),
                    "memory_mib": psutil.Process().memory_info().rss / MIB,
                    "files": len(files),
                    "disk_mib": sum(path.stat().st_size for path in files) / MIB,
                    "cpu_s": time.process_time() - self._before,
                }
            )


@contextmanager
def _sampler_time() -> Iterator[list[float]]:
    """Seconds of each draw."""
    ask, taken = Proposer.ask, []

    def timed(self: Proposer, number: int, arm: int) -> Proposal | None:
        start = time.perf_counter()
        try:
            return ask(self, number, arm)
        finally:
            taken.append(time.perf_counter() - start)

    with mock.patch.object(Proposer, "ask", timed):
        yield taken


def run_noop(spec: StudySpec, folder: Path, at: tuple[int, ...] = ()) -> Counting:
    """Runs a study of trials that do nothing."""
    run = RunFolder(folder / spec.name)
    run.create()
    store = StudyStore.open(run.database, spec.name, spec.search.objectives)
    try:
        search = Counting(spec, store, run, run=run, at=at)
        slots = plan_slots(spec.engine, num_trials=spec.search.trials)
        with open_engine(spec, run, slots) as engine:
            engine.run(search, str(folder), "nothing:no_trial")
    finally:
        store.close()
    return search


def measure(trials: int = 10_000, sampler: str = "random") -> dict[str, Any]:
    """Milliseconds from one end to the next, by tenth of the study too; the sampler's own; memory and files."""
    at = tuple(sorted({trials // 10, trials // 2, trials}))
    with tempfile.TemporaryDirectory() as folder, _sampler_time() as drawn:
        search = run_noop(noop_study(trials, sampler), Path(folder), at)
    gaps_ms = [1000 * (after - before) for before, after in zip(search.ends, search.ends[1:], strict=False)]
    tenth = max(1, len(gaps_ms) // 10)
    return {
        "trials": trials,
        "sampler": sampler,
        "trial_ms": median(gaps_ms),
        "first_tenth_ms": median(gaps_ms[:tenth]),
        "last_tenth_ms": median(gaps_ms[-tenth:]),
        "worst_ms": max(gaps_ms),
        "mean_ms": sum(gaps_ms) / len(gaps_ms),
        "sampler_ms": 1000 * median(drawn),
        "sampler_last_tenth_ms": 1000 * median(drawn[-tenth:]),
        "samples": search.samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--profile", type=Path, help="where cProfile's figures go")
    asked = parser.parse_args()
    profile = cProfile.Profile() if asked.profile else None
    with profile or nullcontext():
        found = measure(asked.trials, asked.sampler)
    if profile:
        profile.dump_stats(asked.profile)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
