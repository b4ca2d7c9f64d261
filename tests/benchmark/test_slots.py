"""Trials side by side, and what a finished run's winner lost to its neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.benchmark.plan import Wanted
from harness.benchmark.run import Bench
from harness.benchmark.sharing import measure_sharing
from harness.benchmark.slots import PER_SLOT, measure_slots, recommended
from harness.data.prepared import PreparedData
from harness.errors import InputError, RunError
from harness.records.bench import SlotsRow, read_bench
from harness.records.manifest import DataFacts
from harness.records.results import load
from harness.spec.reader import load_study
from tests.benchmark.conftest import Noted

STUDIES = Path(__file__).parents[2] / "studies"


def row(slots: int, trials_per_hour: float, failed: int = 0) -> SlotsRow:
    return SlotsRow(
        slots=slots, threads=1, trials_per_hour=trials_per_hour, samples_per_second=1, slowdown=1, failed=failed
    )


def test_recommended_is_the_fewest_slots_near_the_most() -> None:
    assert recommended([row(1, 100), row(2, 180), row(4, 182)]) == 2
    assert recommended([row(1, 100), row(2, 101)]) == 1
    assert recommended([row(1, 100), row(2, 180, failed=1)]) == 1
    assert recommended([row(1, 100), row(2, 110).model_copy(update={"spread": 0.15})]) == 1, "within the noise"


@pytest.mark.long
def test_slots_are_measured_with_real_trials(tmp_path: Path, smoke_data: PreparedData, inline: list[int]) -> None:
    path, view = tmp_path / "a.json", Noted()
    spec = load_study(STUDIES / "smoke.yaml")
    measure_slots(Bench(path, view), spec, smoke_data, (2,), Wanted(device="cpu", seconds=0.05))
    assert inline == [1, 2, 1, 2]
    found = read_bench(path)
    assert [one.slots for one in found.slots] == [1, 2]
    assert found.slots[0].slowdown == 1.0
    assert all(one.trials_per_hour > 0 and not one.failed for one in found.slots)
    assert found.recommended_slots in (1, 2)
    assert all(one.spread is not None for one in found.slots)
    assert len(view.lines) == 4
    assert PER_SLOT > 1


def test_slots_below_one_are_refused(tmp_path: Path, smoke_data: PreparedData) -> None:
    with pytest.raises(InputError, match="--slots"):
        measure_slots(
            Bench(tmp_path / "a.json", Noted()),
            load_study(STUDIES / "smoke.yaml"),
            smoke_data,
            (0,),
            Wanted(),
        )


@pytest.mark.long
def test_winner_is_measured_again_alone(smoke_run: Path, tmp_path: Path, inline: list[int]) -> None:
    path = tmp_path / "a.json"
    results = load(smoke_run)
    sharing = measure_sharing(Bench(path, Noted()), results, seconds=0.01, repeats=2)
    best = results.best()
    assert best is not None
    assert sharing.trial == best.record.number
    assert sharing.recorded == best.record.usage.samples_per_second
    found = read_bench(path)
    assert found.sharing == (sharing,)
    (same, *whole) = found.cells
    assert same.threads == 1
    assert sharing.alone == same.samples_per_second
    assert [sharing.whole_machine] == ([whole[0].samples_per_second] if whole else [None])
    assert same.batch_size == best.record.config.training.batch_size


def test_sharing_wants_the_same_data_and_hardware(smoke_run: Path, tmp_path: Path) -> None:
    results = load(smoke_run)
    bench = Bench(tmp_path / "a.json", Noted())
    manifest = results.manifest.model_copy(update={"data": DataFacts(sha256="other")})
    changed = replace(results, manifest=manifest)
    with pytest.raises(RunError, match="has changed"):
        measure_sharing(bench, changed, seconds=1, repeats=2)
    elsewhere = [
        trial.model_copy(update={"place": trial.place.model_copy(update={"device_name": "Old CPU"})})
        for trial in results.trials
        if trial.place is not None
    ]
    moved = replace(results, trials=tuple(elsewhere))
    with pytest.raises(RunError, match="ran on Old CPU"):
        measure_sharing(bench, moved, seconds=1, repeats=2)
    empty = replace(results, trials=())
    with pytest.raises(RunError, match="no completed trial"):
        measure_sharing(bench, empty, seconds=1, repeats=2)
