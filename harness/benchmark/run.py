"""A benchmark from start to end: rounds over all cells in fresh processes, a file after each cell, and going on.

Knows nothing of the terminal: what a person sees goes through a `BenchView`. Every round starts a new process, so that
two repeats of a cell (the A/A pairs) differ in all that two runs of a program differ in.
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
from harness.benchmark.plan import Planned, Wanted, plan_cells
from harness.benchmark.summary import noise_of, summarised, with_setup
from harness.data.prepared import PreparedData
from harness.engines.local import LocalEngine
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

Plan = Callable[[Setup], list[Planned]]


class BenchView(Protocol):
    """What a person sees of a benchmark."""

    def say(self, line: str) -> None:
        """One fact, one line."""

    def progress(self, done: int, total: int, left_s: float | None) -> None:
        """So many runs of cells are done."""

    def measured(self, cell: Cell) -> None:
        """A run of a cell ended."""

    def end(self, bench: BenchFile) -> None:
        """Everything asked for is measured."""


@contextmanager
def bench_engine(slots: Sequence[Slot]) -> Iterator[tuple[LocalEngine, RunFolder]]:
    """The engine of a sweep over a run folder that is gone after the block."""
    with TemporaryDirectory(prefix="harness-bench-") as folder:
        run = RunFolder(Path(folder))
        with LocalEngine(run, slots, trial_timeout_s=TIMEOUT_S) as engine:
            yield engine, run


class Bench:
    """One machine's benchmark file, and what is still missing in it."""

    def __init__(self, path: Path, view: BenchView, *, fresh: bool = False) -> None:
        """Opens `path`, or begins it.

        Raises:
            InputError: the file is of another machine, or none of ours.
        """
        self.path, self.view, self.code = path, view, code_version()
        machine = describe_machine()
        known = read_bench(path) if path.exists() and not fresh else None
        if known is not None and known.machine.id != machine.id:
            raise InputError(
                f"{path} was measured on another machine ({known.machine.id}, this is {machine.id}); "
                "give this one a file of its own (--json FILE), or begin again (--fresh)"
            )
        self.file = known or BenchFile(machine=machine)
        self._seconds: dict[str, float] = {}
        self._hopeless: set[str] = set()
        self._done = 0

    def save(self, **changes: Any) -> None:
        """Writes the file, changed."""
        self.file = self.file.model_copy(update=changes)
        write_bench(self.path, self.file)

    def price(self, per_hour: float | None) -> None:
        """What the machine costs, from the next saving on; None: as the file has it."""
        if per_hour is not None:
            self.file = self.file.model_copy(update={"price_per_hour": per_hour})

    def cells(self, spec: StudySpec, data: PreparedData, wanted: Wanted, *, own_texts: bool) -> None:
        """Measures every cell asked for that the file does not have yet.

        Raises:
            InputError: a combination that cannot be, a length above the model's maximum.
            DeviceError: the device asked for is not there.
        """
        self.price(wanted.price_per_hour)
        slots = [bench_slot(wanted.device, threads) for threads in wanted.threads or (resources.cores(),)]
        accelerator = slots[0].place.device != "cpu"

        def plan(setup: Setup) -> list[Planned]:
            return plan_cells(spec, wanted, auto=setup.auto_precision, accelerator=accelerator, own_texts=own_texts)

        refuse_lengths(plan(Setup(device=slots[0].place.device, threads=slots[0].place.threads)), data)
        probe = probe_config(default_config(spec, "bench"), sorted(set(wanted.precisions or ("fp32",))))
        self._rounds(data, slots, plan, probe, wanted.repeats)

    def measure(self, planned: Sequence[Planned], data: PreparedData, slot: Slot, repeats: int) -> None:
        """Measures these cells, `repeats` times each, and no others."""
        precisions = sorted({one.config.training.precision for one in planned})
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
        """One run of every cell that lacks it, in one new process; `ahead` rounds follow."""
        known = self.file.setup(slot.place.device, slot.place.threads)
        if known is not None and not self._missing(plan(known), slot, repeat):
            return
        with bench_engine([slot]) as (engine, run):
            planned = plan(self._set_up(engine, run, slot, data, probe))
            self._run(engine, run, slot, data, self._missing(planned, slot, repeat), ahead=ahead * len(planned))

    def _set_up(self, engine: LocalEngine, run: RunFolder, slot: Slot, data: PreparedData, probe: TrialConfig) -> Setup:
        found: list[tuple[TrialRecord, dict[str, Any] | None]] = []
        engine.run(Documents([probe], run, lambda *end: found.append(end)), str(data.folder), SETUP)
        record, document = found[0]
        if document is None:
            raise EngineError(f"this device cannot be measured: {record.message}")
        setup = Setup.model_validate(document).model_copy(update={"device": slot.place.device})
        if self.file.setup(setup.device, setup.threads) is None and setup.auto_reason:
            self.view.say(f"precision: auto is {setup.auto_precision} here, {setup.auto_reason}")
        self.file = with_setup(self.file, setup)
        return setup

    def _missing(self, planned: Sequence[Planned], slot: Slot, repeat: int) -> list[Planned]:
        """Those without their `repeat`-th run by this version of the code.

        Out of memory once is out of memory; what failed otherwise is tried again when the benchmark is run again.
        """
        known = {cell.id: cell for cell in self.file.cells if cell.code == self.code}
        missing = []
        for one in planned:
            cell = known.get(cell_id(one, slot))
            if cell_id(one, slot) in self._hopeless:
                continue
            if cell is None or (cell.state != "oom" and len(cell.repeats) <= repeat):
                steps = len(cell.repeats[0].steps_ms) if cell is not None and cell.repeats else None
                params = {**one.config.params, "steps": steps}
                missing.append(
                    Planned(
                        id=one.id, checkpoint=one.checkpoint, config=one.config.model_copy(update={"params": params})
                    )
                )
        return missing

    def _run(
        self, engine: LocalEngine, run: RunFolder, slot: Slot, data: PreparedData, todo: list[Planned], *, ahead: int
    ) -> None:
        numbered = dict(enumerate(todo, start=1))
        waiting = dict(numbered)
        total = self._done + len(todo) + ahead

        def ended(record: TrialRecord, document: dict[str, Any] | None) -> None:
            one = waiting.pop(record.number)
            self._seconds[one.id] = record.duration_s
            self.view.measured(self._keep(one, slot, data, record, document))
            usual = fmean(self._seconds.values())
            left_s = sum(self._seconds.get(other.id, usual) for other in waiting.values()) + ahead * usual
            self._done += 1
            self.view.progress(self._done, total, left_s)

        configs = [one.config.model_copy(update={"number": number}) for number, one in numbered.items()]
        engine.run(Documents(configs, run, ended), str(data.folder), CELL)

    def _keep(
        self, one: Planned, slot: Slot, data: PreparedData, record: TrialRecord, document: dict[str, Any] | None
    ) -> Cell:
        """Puts a run of a cell into the file, on disk too."""
        id_ = cell_id(one, slot)
        earlier = next((cell for cell in self.file.cells if (cell.id, cell.code) == (id_, self.code)), None)
        cell = earlier or new_cell(one, slot, data, self.code)
        if document is not None:
            runs = (*cell.repeats, Measurement.model_validate(document))
            cell = cell.model_copy(update={"state": "ok", "message": "", "repeats": runs})
            setup = self.file.setup(cell.device, cell.threads)
            cell = summarised(cell, setup, self.file.price_per_hour)
        else:
            state = "oom" if record.reason is FailReason.OOM else "failed"
            cell = cell.model_copy(update={"state": state, "message": record.message})
            self._hopeless.add(id_)
        known = [other for other in self.file.cells if other.id != id_]
        at = next((at for at, other in enumerate(self.file.cells) if other.id == id_), len(known))
        cells = (*known[:at], cell, *known[at:])
        self.save(cells=cells, noise=noise_of(cells))
        return cell


def bench_slot(device: str, threads: int) -> Slot:
    """A device with nobody else on it."""
    return plan_slots(EngineSpec(device=device, slots_per_device=1, threads_per_slot=threads), num_trials=1)[0]


def cell_id(one: Planned, slot: Slot) -> str:
    """What tells this cell from all others of the file."""
    return f"{one.id}-{slot.place.device}-{slot.place.threads}"


def new_cell(one: Planned, slot: Slot, data: PreparedData, code: str) -> Cell:
    """A cell that is not measured yet."""
    config = one.config
    recipe = {
        **config.model.model_dump(mode="json", exclude={"checkpoint"}, exclude_none=True),
        **config.training.model_dump(mode="json", include={"accumulation_steps", "max_grad_norm"}),
        **({"step_graphs": True} if config.training.step_graphs else {}),
        "data": data.meta.sha256[:12],
    }
    if one.setting("length") == "study":
        recipe |= config.data.model_dump(mode="json")
    return Cell(
        id=cell_id(one, slot),
        checkpoint=one.checkpoint,
        task=config.task,
        mode=one.setting("mode"),
        batch_size=config.training.batch_size,
        largest=bool(one.setting("largest")),
        length=one.setting("length"),
        precision=config.training.precision,
        device=slot.place.device,
        threads=slot.place.threads,
        recipe=recipe,
        code=code,
    )
