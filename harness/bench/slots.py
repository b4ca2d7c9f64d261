"""How many trials should share a device: short real trials through the real engine, with one slot, two, four.

Knows nothing of search. A trial that shares is slower; what counts is how many are done in an hour.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import fmean

from harness.bench.run import Bench, bench_engine
from harness.data.prepared import PreparedData
from harness.engines.fixed import FixedList
from harness.engines.local import LocalEngine
from harness.engines.slots import plan_slots
from harness.errors import InputError, StudyFailed
from harness.records.bench import SlotsRow
from harness.records.schema import TrialRecord, TrialState
from harness.spec.configure import arms, default_params, resolve
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
    bench: Bench, spec: StudySpec, data: PreparedData, counts: Sequence[int], *, device: str, seconds: float
) -> None:
    """Puts a row for each number of slots a device into the file, and which of them to use.

    Raises:
        InputError: a number below 1.
        StudyFailed: not even one trial alone could be run.
    """
    if min(counts) < 1:
        raise InputError("--slots: numbers must be at least 1")
    rows: list[SlotsRow] = []
    steps = 0
    for count in sorted({1, *counts}):
        slots = plan_slots(EngineSpec(device=device, slots_per_device=count), num_trials=2**31)
        with bench_engine(slots) as (engine, _):
            first = _run(engine, data, [_short(spec, data, steps or FIRST_STEPS)] * len(slots))
            steps = steps or _steps_for(first, seconds, spec)
            start = time.perf_counter()
            records = _run(engine, data, [_short(spec, data, steps)] * (PER_SLOT * len(slots)))
            wall_s = time.perf_counter() - start
        done = [record for record in records if record.state is TrialState.COMPLETE]
        if not done and not rows:
            raise StudyFailed(f"a trial alone failed: {records[0].message}")
        speed = fmean(record.usage.samples_per_second for record in done) if done else 0.0
        row = SlotsRow(
            slots=count,
            threads=slots[0].place.threads,
            trials_per_hour=len(done) / wall_s * 3600,
            samples_per_second=speed,
            slowdown=rows[0].samples_per_second / speed if rows and speed else 1.0,
            failed=len(records) - len(done),
        )
        rows.append(row)
        bench.view.say(
            f"{count} a device: {row.trials_per_hour:.0f} short trials an hour, each at {speed:.1f} samples/s"
        )
    bench.save(slots=tuple(rows), recommended_slots=recommended(rows))


def recommended(rows: Sequence[SlotsRow]) -> int:
    """The fewest slots that come near the most trials an hour; rows with failed trials do not count."""
    sound = [row for row in rows if not row.failed] or list(rows)
    most = max(row.trials_per_hour for row in sound)
    return min(row.slots for row in sound if row.trials_per_hour * WORTH >= most)


def _short(spec: StudySpec, data: PreparedData, steps: int) -> TrialConfig:
    """The default recipe, `steps` long, scored on a few rows."""
    arm = arms(spec)[0]
    config = resolve(spec, number=0, params=default_params(spec, arm), kind="bench", arm=arm)
    rows = min(config.data.train_rows or 2**31, data.meta["rows"]["train"]) * (1 + len(config.data.augment))
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
    """How many steps take about `seconds`."""
    speed = max((record.usage.samples_per_second for record in records), default=0.0)
    if not speed:
        raise StudyFailed(f"a trial alone failed: {records[0].message}")
    return min(MAX_STEPS, max(MIN_STEPS, round(seconds * speed / records[0].config.training.batch_size)))
