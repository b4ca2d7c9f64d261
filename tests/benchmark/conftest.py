"""A cache of its own, a benchmark that runs in this process, and a view that notes what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.benchmark import run as bench_run
from harness.benchmark import slots as bench_slots
from harness.benchmark.plan import PlannedCell, planned_of
from harness.engines.inline import InlineEngine
from harness.machine.slots import Slot
from harness.records.bench import BenchFile, Cell
from harness.records.rundir import RunFolder
from harness.spec.trial import TrialConfig


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("HARNESS_CACHE", str(folder))
        yield folder


class Noted:
    """A view that remembers."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.lines: list[str] = []
        self.cells: list[Cell] = []
        self.steps: list[tuple[int, int]] = []
        self._stop_after = stop_after

    def say(self, line: str) -> None:
        self.lines.append(line)

    def progress(self, done: int, total: int, left_s: float | None) -> None:
        self.steps.append((done, total))

    def end(self, bench: BenchFile) -> None:
        self.lines.append(f"{len(bench.cells)} cells")

    def measured(self, cell: Cell) -> None:
        self.cells.append(cell)
        if self._stop_after is not None and len(self.cells) == self._stop_after:
            raise KeyboardInterrupt


def run_inline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[int]:
    """Has benchmarks run in this process instead of workers; the number of slots of each engine that is opened."""
    opened: list[int] = []

    @contextmanager
    def engine(slots: Sequence[Slot], precisions: object = None) -> Iterator[tuple[InlineEngine, RunFolder]]:
        opened.append(len(slots))
        run = RunFolder(folder / f"engine-{len(opened)}")
        run.path.mkdir()
        yield InlineEngine(run, slots[0]), run

    monkeypatch.setattr(bench_run, "bench_engine", engine)
    monkeypatch.setattr(bench_slots, "bench_engine", engine)
    # One product and one copy of it tell as much to a test.
    monkeypatch.setattr("harness.benchmark.ceiling.SIZES", {"cpu": (64,), "accelerator": (64,)})
    monkeypatch.setattr("harness.benchmark.ceiling.COPIED_BYTES", {"cpu": 2**16, "accelerator": 2**16})
    monkeypatch.setattr("harness.benchmark.ceiling.SECONDS", 0.0)
    return opened


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Benchmarks of this process; see `run_inline`."""
    return run_inline(monkeypatch, tmp_path)


@pytest.fixture
def cell(smoke_config: TrialConfig) -> Callable[..., PlannedCell]:
    """A cell of the smoke study's tiny model: a few steps of 4 rows."""

    def make(*, steps: int | None = 3, seconds: float = 0.01, **params: object) -> PlannedCell:
        settings = {"mode": "train", "length": "study", "rows": 64, "seconds": seconds, **params}
        batch_size = settings.pop("batch_size", 4)
        config = smoke_config.model_copy(
            update={"training": smoke_config.training.model_copy(update={"batch_size": batch_size})}
        )
        planned = planned_of(config, "scratch", **settings)  # type: ignore[arg-type]
        trial = planned.config.model_copy(update={"params": {**planned.config.params, "steps": steps}})
        return PlannedCell(id=planned.id, checkpoint="scratch", config=trial)

    return make
