"""One step of each cell under pytest-benchmark: `pytest benchmarks/ --benchmark-json=x.json`, then `harness compare`.

The steps are those of `harness bench`, in this process; our columns go into `extra_info`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.benchmark.cell import open_cell
from harness.benchmark.machine import code_version
from harness.benchmark.measure import MAX_STEPS, MIN_STEPS, measurement_of, warm_up
from harness.benchmark.plan import PlannedCell
from harness.benchmark.run import new_cell
from harness.benchmark.summary import summarised
from harness.benchmark.timing import StepCost
from harness.benchmark.work import UNTIMED
from harness.data.prepared import PreparedData
from harness.errors import TrialFailure
from harness.machine.slots import Slot
from harness.records.bench import BenchFile
from harness.records.bench_files import CELL
from harness.training import device as devices
from harness.training.host import Host


def test_step(
    benchmark: BenchmarkFixture, planned: PlannedCell, data: PreparedData, slot: Slot, bench: BenchFile, tmp_path: Path
) -> None:
    device = devices.bind(slot.inside)
    try:
        work, batch_size = open_cell(planned.config, data, Host(place=slot.inside), tmp_path)
    except TrialFailure as failure:
        pytest.skip(str(failure))
    seconds = float(str(planned.setting("seconds")))
    settling, first_step_s, step_s = warm_up(work, seconds)
    rounds = min(MAX_STEPS, max(MIN_STEPS, round(seconds / step_s)))
    work.rewind()
    steps: list[StepCost] = []
    benchmark.pedantic(lambda: steps.extend(work.run(1)), rounds=rounds, warmup_rounds=UNTIMED)
    measured = measurement_of(
        work,
        steps[UNTIMED:],
        batch_size=batch_size,
        device=device,
        first_step_s=first_step_s,
        warm_up_steps=settling.num_steps,
    )
    cell = new_cell(planned, slot, data, code_version()).model_copy(update={"repeats": (measured,)})
    setup = bench.setup(cell.device, cell.threads)
    benchmark.extra_info[CELL] = summarised(cell, setup, None).model_dump(mode="json")
    assert len(steps) == rounds + UNTIMED
