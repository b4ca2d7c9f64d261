"""A benchmark from start to end: rounds over all cells in new processes, and a file that is written after each cell.

A benchmark that stopped continues from its file. Every round starts a new process, so that two repeats of a cell (the
A/A pairs) differ in all that two runs of a program differ in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from harness.benchmark.limits import refuse_lengths
from harness.benchmark.machine import code_version, describe_machine
from harness.benchmark.outcome import Documents, probe_config
from harness.benchmark.plan import BenchOptions, PlannedCell, plan_cells
from harness.benchmark.summary import noise_of, summarised, with_setup
from harness.data.prepared import PreparedData
from harness.engines.local import LocalEngine
from harness.engines.precisions import Precisions
from harness.errors import EngineError, FailReason, InputError
from harness.machine import resources
from harness.machine.slots import Slot, plan_slots
from harness.records.bench import BenchFile, Cell, Measurement, Setup, read_bench, write_bench
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord
from harness.spec.configure import default_config
from harness.spec.study import EngineSpec, StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["Bench", "BenchView", "bench_engine", "bench_slot", "cell_id", "new_cell"]

CELL, SETUP = "harness.benchmark.cell:run_cell", "harness.benchmark.ceiling:measure_setup"
#: A cell that has not ended after this is stuck.
TIMEOUT_S = 1800.0

Plan = Callable[[Setup], list[PlannedCell]]


class BenchView(Protocol):
    """Shows a benchmark to a person."""

    def say(self, line: str) -> None:
        """Shows one line."""

    def progress(self, done: int, total: int, left_s: float | None) -> None:
        """Shows how many runs of cells are done."""

    def measured(self, cell: Cell) -> None:
        """Shows a run of a cell that ended."""

    def end(self, bench: BenchFile) -> None:
        """Shows that everything is measured."""


@contextmanager
def bench_engine(
    slots: Sequence[Slot], precisions: Precisions | None = None
) -> Iterator[tuple[LocalEngine, RunFolder]]:
    """Gives the engine of a sweep over a run folder that is deleted after the block."""
    with TemporaryDirectory(prefix="harness-bench-") as folder:
        run = RunFolder(Path(folder))
        with LocalEngine(run, slots, trial_timeout_s=TIMEOUT_S, precisions=precisions) as engine:
            yield engine, run


class Bench:
    """One machine's benchmark file, and the measurements that it still lacks."""

    def __init__(self, path: Path, view: BenchView, *, fresh: bool = False) -> None:
        """Opens `path`, or starts a new file.

        Raises:
            InputError: the file is of another machine, or is no benchmark file.
        """
        self.path, self.view, self.code = path, view, code_version()
        machine = describe_machine()
        recorded = read_bench(path) if path.exists() and not fresh else None
        if recorded is not None and recorded.machine.id != machine.id:
            raise InputError(
                f"{path} was measured on another machine ({recorded.machine.id}, this is {machine.id}); "
                "give this one a file of its own (--json FILE), or begin again (--fresh)"
            )
        self.file = recorded or BenchFile(machine=machine)
        self._seconds: dict[str, float] = {}
        self._failed_ids: set[str] = set()
        self._done = 0

    def save(self, **changes: Any) -> None:
        """Writes the file with these changes."""
        self.file = self.file.model_copy(update=changes)
        write_bench(self.path, self.file)

    def price(self, per_hour: float | None) -> None:
        """Sets what the machine costs an hour for the next saving; None leaves the file's price."""
        if per_hour is not None:
            self.file = self.file.model_copy(update={"price_per_hour": per_hour})

    def cells(self, spec: StudySpec, data: PreparedData, options: BenchOptions, *, own_texts: bool) -> None:
        """Measures every cell of the options that the file does not have yet.

        Raises:
            InputError: options exclude each other, or a length is above the model's maximum.
            DeviceError: the machine has no such device.
        """
        self.price(options.price_per_hour)
        slots = [bench_slot(options.device, threads) for threads in options.threads or (resources.cores(),)]
        accelerator = slots[0].place.device != "cpu"

        def plan(setup: Setup) -> list[PlannedCell]:
            return plan_cells(spec, options, auto=setup.auto_precision, accelerator=accelerator, own_texts=own_texts)

        refuse_lengths(plan(Setup(device=slots[0].place.device, threads=slots[0].place.threads)), data)
        probe = probe_config(default_config(spec, "bench"), sorted(set(options.precisions or ("fp32",))))
        self._rounds(data, slots, plan, probe, options.repeats)

    def measure(self, planned: Sequence[PlannedCell], data: PreparedData, slot: Slot, repeats: int) -> None:
        """Measures these cells, `repeats` times each, and no others."""
        precisions = sorted({cell.config.training.precision for cell in planned})
        self._rounds(data, [slot], lambda _: list(planned), probe_config(planned[0].config, precisions), repeats)

    def _rounds(self, data: PreparedData, slots: Sequence[Slot], plan: Plan, probe: TrialConfig, repeats: int) -> None:
        for at, (repeat, slot) in enumerate(product(range(repeats), slots), start=1):
            self._round(data, slot, plan, probe, repeat, ahead=repeats * len(slots) - at)
        price = self.file.price_per_hour
        # Ceilings may have risen since a cell was measured, and the price may be new.
        cells = tuple(summarised(cell, self.file.setup(cell.device, cell.threads), price) for cell in self.file.cells)
        self.save(cells=cells, noise=noise_of(cells))

    def _round(
        self, data: PreparedData, slot: Slot, plan: Plan, probe: TrialConfig, repeat: int, *, ahead: int
    ) -> None:
        """Runs, in one new process, every cell that lacks this repeat; `ahead` rounds follow."""
        setup = self.file.setup(slot.place.device, slot.place.threads)
        if setup is not None and not self._missing(plan(setup), slot, repeat):
            return
        with bench_engine([slot]) as (engine, run):
            planned = plan(self._set_up(engine, run, slot, data, probe))
            self._run(engine, run, slot, data, self._missing(planned, slot, repeat), ahead=ahead * len(planned))

    def _set_up(self, engine: LocalEngine, run: RunFolder, slot: Slot, data: PreparedData, probe: TrialConfig) -> Setup:
        ends: list[tuple[TrialRecord, dict[str, Any] | None]] = []
        engine.run(Documents([probe], run, lambda *end: ends.append(end)), str(data.folder), SETUP)
        record, document = ends[0]
        if document is None:
            raise EngineError(f"this device cannot be measured: {record.message}")
        setup = Setup.model_validate(document).model_copy(update={"device": slot.place.device})
        if self.file.setup(setup.device, setup.threads) is None and setup.auto_reason:
            self.view.say(f"precision: auto is {setup.auto_precision} here, {setup.auto_reason}")
        self.file = with_setup(self.file, setup)
        return setup

    def _missing(self, planned: Sequence[PlannedCell], slot: Slot, repeat: int) -> list[PlannedCell]:
        """Returns the cells without their `repeat`-th run by this version of the code.

        A cell that ran out of memory is not tried again; one that failed otherwise is, when the benchmark is run again.
        """
        cells = {cell.id: cell for cell in self.file.cells if cell.code == self.code}
        missing = []
        for planned_cell in planned:
            cell = cells.get(cell_id(planned_cell, slot))
            if cell_id(planned_cell, slot) in self._failed_ids:
                continue
            if cell is None or (cell.state != "oom" and len(cell.repeats) <= repeat):
                steps = len(cell.repeats[0].steps_ms) if cell is not None and cell.repeats else None
                params = {**planned_cell.config.params, "steps": steps}
                missing.append(
                    PlannedCell(
                        id=planned_cell.id,
                        checkpoint=planned_cell.checkpoint,
                        config=planned_cell.config.model_copy(update={"params": params}),
                    )
                )
        return missing

    def _run(
        self,
        engine: LocalEngine,
        run: RunFolder,
        slot: Slot,
        data: PreparedData,
        todo: list[PlannedCell],
        *,
        ahead: int,
    ) -> None:
        numbered = dict(enumerate(todo, start=1))
        waiting = dict(numbered)
        total = self._done + len(todo) + ahead

        def ended(record: TrialRecord, document: dict[str, Any] | None) -> None:
            planned = waiting.pop(record.number)
            self._seconds[planned.id] = record.duration_s
            self.view.measured(self._store(planned, slot, data, record, document))
            usual = fmean(self._seconds.values())
            left_s = sum(self._seconds.get(other.id, usual) for other in waiting.values()) + ahead * usual
            self._done += 1
            self.view.progress(self._done, total, left_s)

        configs = [planned.config.model_copy(update={"number": number}) for number, planned in numbered.items()]
        engine.run(Documents(configs, run, ended), str(data.folder), CELL)

    def _store(
        self, planned: PlannedCell, slot: Slot, data: PreparedData, record: TrialRecord, document: dict[str, Any] | None
    ) -> Cell:
        """Writes a run of a cell into the file, on disk too."""
        id_ = cell_id(planned, slot)
        earlier = next((cell for cell in self.file.cells if (cell.id, cell.code) == (id_, self.code)), None)
        cell = earlier or new_cell(planned, slot, data, self.code)
        if document is not None:
            runs = (*cell.repeats, Measurement.model_validate(document))
            cell = cell.model_copy(update={"state": "ok", "message": "", "repeats": runs})
            setup = self.file.setup(cell.device, cell.threads)
            cell = summarised(cell, setup, self.file.price_per_hour)
        else:
            state = "oom" if record.reason is FailReason.OOM else "failed"
            cell = cell.model_copy(update={"state": state, "message": record.message})
            self._failed_ids.add(id_)
        others = [other for other in self.file.cells if other.id != id_]
        at = next((at for at, other in enumerate(self.file.cells) if other.id == id_), len(others))
        cells = (*others[:at], cell, *others[at:])
        self.save(cells=cells, noise=noise_of(cells))
        return cell


def bench_slot(device: str, threads: int) -> Slot:
    """Returns a slot that has the device to itself."""
    return plan_slots(EngineSpec(device=device, slots_per_device=1, threads_per_slot=threads), num_trials=1)[0]


def cell_id(planned: PlannedCell, slot: Slot) -> str:
    """Returns the name of a cell that no other cell of the file has."""
    return f"{planned.id}-{slot.place.device}-{slot.place.threads}"


def new_cell(planned: PlannedCell, slot: Slot, data: PreparedData, code: str) -> Cell:
    """Returns a cell that is not measured yet."""
    config = planned.config
    recipe = {
        **config.model.model_dump(mode="json", exclude={"checkpoint"}, exclude_none=True),
        **config.training.model_dump(mode="json", include={"accumulation_steps", "max_grad_norm"}),
        **({"optimizer": config.training.optimizer} if config.training.optimizer != "adamw" else {}),
        **({"step_graphs": True} if config.training.step_graphs else {}),
        "data": data.meta.sha256[:12],
    }
    if planned.setting("length") == "study":
        recipe |= config.data.model_dump(mode="json")
    return Cell(
        id=cell_id(planned, slot),
        checkpoint=planned.checkpoint,
        task=config.task,
        mode=planned.setting("mode"),
        batch_size=config.training.batch_size,
        largest=bool(planned.setting("largest")),
        length=planned.setting("length"),
        precision=config.training.precision,
        device=slot.place.device,
        threads=slot.place.threads,
        recipe=recipe,
        code=code,
    )
