"""Measures the winner of a finished run again, alone: shows what sharing the machine had cost it."""

from __future__ import annotations

from harness.benchmark.plan import planned_of
from harness.benchmark.run import Bench, bench_slot, cell_id
from harness.data.prepare import prepare
from harness.errors import RunError
from harness.machine import resources
from harness.machine.slots import plan_slots
from harness.records.bench import Cell, Sharing
from harness.records.results import Results
from harness.records.schema import TrialRecord
from harness.spec.study import EngineSpec

__all__ = ["measure_sharing"]


def measure_sharing(bench: Bench, results: Results, *, seconds: float, repeats: int) -> Sharing:
    """Measures the winner with its own threads, and on a CPU with all of them; writes the comparison into the file.

    Raises:
        RunError: the run has no winner whose speed was recorded, its data changed, or it ran on other hardware.
    """
    record = _winner(results)
    place = record.place
    data = prepare(results.spec)
    if not results.manifest.data.same_rows(data.meta):
        raise RunError(f"{data.meta.source} has changed since {results.folder} was made: speeds would differ too")
    if place is None:
        raise RunError(f"trial {record.number} of {results.folder} never ran: its record names no device")
    current = plan_slots(EngineSpec(device=place.device, slots_per_device=1), num_trials=1)[0].place
    if current.device_name != place.device_name:
        raise RunError(f"{results.folder} ran on {place.device_name}, and this machine has {current.device_name}")
    planned = planned_of(
        record.config, record.config.model.checkpoint, mode="train", length="study", rows=0, seconds=seconds
    )

    def alone(threads: int) -> float:
        slot = bench_slot(place.device, threads)
        bench.measure([planned], data, slot, repeats)
        return _speed(next(cell for cell in bench.file.cells if cell.id == cell_id(planned, slot)))

    cores = resources.cores()
    sharing = Sharing(
        run=str(results.spec.name),
        trial=record.number,
        slots=len(results.manifest.devices) or 1,
        threads=place.threads,
        recorded=record.usage.samples_per_second,
        alone=alone(place.threads),
        whole_machine=alone(cores) if place.device == "cpu" and cores != place.threads else None,
    )
    others = tuple(other for other in bench.file.sharing if (other.run, other.trial) != (sharing.run, sharing.trial))
    bench.save(sharing=(*others, sharing))
    return sharing


def _winner(results: Results) -> TrialRecord:
    best = results.best()
    if best is None:
        raise RunError(f"{results.folder} has no completed trial to measure again")
    if not best.record.usage.samples_per_second:
        raise RunError(f"trial {best.record.number} of {results.folder} was too short for its speed to be recorded")
    return best.record


def _speed(cell: Cell) -> float:
    if cell.samples_per_second is None:
        raise RunError(f"the winner could not be measured alone: {cell.message}")
    return cell.samples_per_second
