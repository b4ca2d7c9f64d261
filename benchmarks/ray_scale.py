"""What the Ray engine costs by itself: trials that do nothing, on more slots than this machine has cores.

Usage: python benchmarks/ray_scale.py [--trials 1000] [--slots 32] [--pruner none] [--out FILE.md]

Slots are simulated: Ray is told of as many CPUs as there are slots. The search, its database, Tune and the actors are
those of a real study; only the trial function does nothing but report.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from harness.engines.ray.tune import RayEngine
from harness.machine import resources
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.records.schema import Place, TrialRecord
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.spec.study import StudySpec

MIB = 2**20


@dataclass
class Sample:
    """The coordinator after so many ended trials."""

    ended: int
    wall_s: float
    cpu_s: float
    memory_mib: float


@dataclass
class Scale:
    """The result."""

    trials: int
    slots: int
    pruner: str
    wall_s: float = 0.0
    start_s: float = 0.0
    files_in_run: int = 0
    bytes_in_run: int = 0
    folders_left: int = 0
    processes_left: int = 0
    samples: list[Sample] = field(default_factory=list)


class Counting(Search):
    """Takes a sample at each twentieth of the trials."""

    def __init__(self, scale: Scale, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._scale, self._ended = scale, 0
        self._every = max(1, scale.trials // 20)
        self._begin = time.monotonic()

    def end(self, record: TrialRecord) -> None:
        super().end(record)
        self._ended += 1
        if self._ended == 1:
            self._scale.start_s = time.monotonic() - self._begin
        if self._ended % self._every == 0:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            memory = psutil.Process().memory_info().rss / MIB
            cpu = usage.ru_utime + usage.ru_stime
            self._scale.samples.append(Sample(self._ended, time.monotonic() - self._begin, cpu, memory))


def study(trials: int, slots: int, pruner: str) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "scale",
            "data": {"path": "nowhere.csv"},
            "model": {"checkpoint": "none"},
            "training": {"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "weight_decay": [0.0, 0.01, 0.1]},
            "search": {"trials": trials, "sampler": "random", "pruner": {"name": pruner}},
            "confirm": None,
            "engine": {"name": "ray", "device": "cpu", "max_concurrent": slots},
        }
    )


def measure(trials: int, slots: int, pruner: str, folder: Path) -> Scale:
    """Runs the study in `folder`."""
    scale = Scale(trials=trials, slots=slots, pruner=pruner)
    run, spec = RunFolder(folder / "scale"), study(trials, slots, pruner)
    run.create()
    store = StudyStore.open(run.database, "scale", ["accuracy"])
    places = [Slot(Place(node="here", device="cpu", slot=slot, threads=1)) for slot in range(slots)]
    before = time.monotonic()
    RayEngine(run, spec, places).run(Counting(scale, spec, store, run), str(folder), "nothing:no_trial")
    scale.wall_s = time.monotonic() - before
    assert len(store.records()) == trials
    store.close()
    files = [path for path in run.path.rglob("*") if path.is_file()]
    scale.files_in_run, scale.bytes_in_run = len(files), sum(path.stat().st_size for path in files)
    scale.folders_left = len(list(Path(tempfile.gettempdir()).glob("hr-*")))
    scale.processes_left = len(psutil.Process().children(recursive=True))
    return scale


def page(scale: Scale) -> str:
    """The result as Markdown."""
    first, last = scale.samples[0], scale.samples[-1]
    done = last.ended - first.ended
    wall, cpu = (last.wall_s - first.wall_s) / done, (last.cpu_s - first.cpu_s) / done
    growth = (last.memory_mib - first.memory_mib) / done * 1024
    machine = f"{resources.processor_name() or platform.processor()}, {resources.cores()} cores"
    versions = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna"))
    lines = [
        f"# {scale.trials:,} trials that do nothing on {scale.slots} simulated slots, pruner {scale.pruner}",
        "",
        f"{machine}; Python {platform.python_version()}, {versions}; {time.strftime('%Y-%m-%d')}; "
        f"load average before the end {os.getloadavg()[1]:.1f}.",
        "",
        "| | |",
        "|---|---|",
        f"| wall time | {scale.wall_s:.0f} s, of which {scale.start_s:.0f} s to the end of the first trial |",
        f"| a trial, wall | {1000 * wall:.0f} ms ({1 / wall:.1f} trials/s) |",
        f"| a trial, CPU of the coordinator | {1000 * cpu:.0f} ms |",
        f"| memory of the coordinator | {first.memory_mib:.0f} MiB after {first.ended} trials, "
        f"{last.memory_mib:.0f} MiB after {last.ended} ({growth:.1f} KiB a trial) |",
        f"| files in the run folder | {scale.files_in_run} ({scale.bytes_in_run / MIB:.1f} MiB) |",
        f"| temporary folders and processes left | {scale.folders_left} and {scale.processes_left} |",
        "",
        "| trials ended | wall s | CPU s of the coordinator | memory MiB |",
        "|---|---|---|---|",
        *(f"| {s.ended} | {s.wall_s:.1f} | {s.cpu_s:.1f} | {s.memory_mib:.0f} |" for s in scale.samples[::2]),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--pruner", default="none")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scale = measure(asked.trials, asked.slots, asked.pruner, Path(folder))
    text = page(scale)
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")
        asked.out.with_suffix(".json").write_text(json.dumps(asdict(scale)), encoding="utf-8")


if __name__ == "__main__":
    main()
