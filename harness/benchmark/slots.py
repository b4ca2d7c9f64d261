"""How many trials should share a device: short real trials through the real engine, with one slot, two, four.

A trial that shares a device is slower; what counts is how many trials are done in an hour.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Self

from harness.benchmark.plan import BenchOptions
from harness.benchmark.run import Bench, bench_engine
from harness.data.prepared import PreparedData
from harness.engines.local import LocalEngine
from harness.engines.precisions import Precisions
from harness.errors import InputError, StudyFailed
from harness.machine.slots import plan_slots
from harness.records.bench import SlotsRow
from harness.records.precision import PrecisionChoice
from harness.records.schema import TrialRecord, TrialState
from harness.search.fixed import FixedList
from harness.spec.configure import default_config, may_choose_precision
from harness.spec.study import EngineSpec, StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["measure_slots", "recommended"]

TRIAL = "harness.trial:run_trial"
PER_SLOT = 3
FIRST_STEPS, MIN_STEPS, MAX_STEPS = 12, 10, 2000
VALIDATION_ROWS = 64
#: A gain below this is not worth more processes and memory.
WORTH = 1.03


def measure_slots(
    bench: Bench, spec: StudySpec, data: PreparedData, counts: Sequence[int], options: BenchOptions
) -> None:
    """Puts a row for each number of slots a device into the file, and the recommended number.

    All numbers are measured once, then all of them again, each time in new processes.

    Raises:
        InputError: a number below 1.
        StudyFailed: not even a trial that has the device to itself could be run.
    """
    if min(counts) < 1:
        raise InputError("--slots: numbers must be at least 1")
    slot_counts, steps = sorted({1, *counts}), 0
    passes: dict[int, list[_Pass]] = {count: [] for count in slot_counts}
    precisions = _precisions(bench) if may_choose_precision(spec) else None
    for _, count in product(range(options.repeats), slot_counts):
        slots = plan_slots(EngineSpec(device=options.device, slots_per_device=count), num_trials=2**31)
        with bench_engine(slots, precisions) as (engine, _):
            first = _run(engine, data, [_short(spec, data, steps or FIRST_STEPS)] * len(slots))
            steps = steps or _steps_for(first, options.seconds, spec)
            start = time.perf_counter()
            records = _run(engine, data, [_short(spec, data, steps)] * (PER_SLOT * len(slots)))
            result = _Pass.of(records, time.perf_counter() - start, slots[0].place.threads)
        if not result.speed and not any(passes.values()):
            raise StudyFailed(f"a trial alone failed: {records[0].message}")
        passes[count].append(result)
        bench.view.say(
            f"{count} a device: {result.trials_per_hour:.0f} short trials an hour, each at {result.speed:.1f} samples/s"
        )
    alone = fmean(result.speed for result in passes[1])
    rows = [_row(count, measured, alone) for count, measured in passes.items()]
    bench.save(slots=tuple(rows), recommended_slots=recommended(rows))


def _precisions(bench: Bench) -> Precisions:
    """Returns what `precision: auto` means for all passes: measured once for each number of threads, and said."""

    def say(choice: PrecisionChoice, measured: PrecisionChoice) -> None:
        bench.view.say(f"precision: auto is {choice.precision}, {choice.reason}")

    return Precisions(on_choice=say)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """All trials with one number of slots, once; `speed` is that of a trial in samples/s, 0 when none was done."""

    trials_per_hour: float
    speed: float
    threads: int
    failed: int

    @classmethod
    def of(cls, records: Sequence[TrialRecord], wall_s: float, threads: int) -> Self:
        done = [record for record in records if record.state is TrialState.COMPLETE]
        return cls(
            trials_per_hour=len(done) / wall_s * 3600,
            speed=fmean(record.usage.samples_per_second for record in done) if done else 0.0,
            threads=threads,
            failed=len(records) - len(done),
        )


def _row(count: int, passes: Sequence[_Pass], alone: float) -> SlotsRow:
    rates = [result.trials_per_hour for result in passes]
    speed = fmean(result.speed for result in passes)
    return SlotsRow(
        slots=count,
        threads=passes[0].threads,
        trials_per_hour=fmean(rates),
        samples_per_second=speed,
        slowdown=alone / speed if speed else 1.0,
        failed=sum(result.failed for result in passes),
        spread=max(rates) / min(rates) - 1 if len(rates) > 1 and min(rates) else None,
    )


def recommended(rows: Sequence[SlotsRow]) -> int:
    """Returns the fewest slots whose trials an hour are near the most: within `WORTH`, or the spread of two passes.

    Rows with failed trials do not count.
    """
    sound = [row for row in rows if not row.failed] or list(rows)
    worth = max(WORTH, *(1 + (row.spread or 0.0) for row in sound))
    most = max(row.trials_per_hour for row in sound)
    return min(row.slots for row in sound if row.trials_per_hour * worth >= most)


def _short(spec: StudySpec, data: PreparedData, steps: int) -> TrialConfig:
    """Returns the default recipe, `steps` long, scored on a few rows."""
    config = default_config(spec, "bench")
    rows = min(config.data.train_rows or 2**31, data.meta.rows["train"]) * (1 + len(config.data.augment))
    per_epoch = -(-rows // config.training.batch_size)
    return config.model_copy(
        update={
            "training": config.training.model_copy(update={"epochs": steps / per_epoch}),
            "evaluate_at": (1.0,),
            "validation_rows": (VALIDATION_ROWS,),
        }
    )


def _run(engine: LocalEngine, data: PreparedData, configs: Sequence[TrialConfig]) -> list[TrialRecord]:
    numbered = [config.model_copy(update={"number": number}) for number, config in enumerate(configs)]
    source = FixedList(numbered, keep=False)
    engine.run(source, str(data.folder), TRIAL)
    return list(source.records.values())


def _steps_for(records: Sequence[TrialRecord], seconds: float, spec: StudySpec) -> int:
    """Returns how many steps take about `seconds`."""
    speed = max((record.usage.samples_per_second for record in records), default=0.0)
    if not speed:
        raise StudyFailed(f"a trial alone failed: {records[0].message}")
    return min(MAX_STEPS, max(MIN_STEPS, round(seconds * speed / records[0].config.training.batch_size)))
