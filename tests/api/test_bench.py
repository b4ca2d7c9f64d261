"""Benchmarks from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import bench
from harness.api.bench import COLUMNS, Benchmark
from harness.benchmark.start import read_for_bench
from harness.errors import InputError, Problem, SpecError
from harness.records.bench import BenchFile, Cell, Machine

KEPT = Path(__file__).parents[1] / "kept"


def test_cells_are_a_frame(folder: Path) -> None:
    machine = Machine.model_construct()
    cell = Cell(checkpoint="owner/model", batch_size=8, length=64, precision="bf16", samples_per_second=12.5)
    found = Benchmark(path=folder / "b.json", file=BenchFile.model_construct(machine=machine, cells=(cell,)))
    assert list(found.cells.columns) == [*COLUMNS, "step_ms"]
    assert found.cells.iloc[0][["checkpoint", "batch_size", "samples_per_second"]].tolist() == ["owner/model", 8, 12.5]
    assert found.cells["step_ms"].isna().all()


def test_wrong_options_are_exceptions(folder: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'bf16'"):
        bench("smoke", precisions=["bf15"])
    with pytest.raises(InputError, match="a run's winner is measured as it was"):
        bench(KEPT / "finished", changes={"training.epochs": 1})
    assert not (folder / "reports").exists()


def test_study_that_searches_nothing_is_read_with_one_trial() -> None:
    def read(more: object) -> object:
        if not more:
            raise SpecError("study", [Problem(key="search.trials", message="nothing is searched")])
        return more

    assert read_for_bench(read) == ("search.trials=1",)
    with pytest.raises(SpecError):
        read_for_bench(lambda more: (_ for _ in ()).throw(SpecError("study", [Problem(key="name", message="no")])))


@pytest.mark.long
def test_smoke_study_is_measured(folder: Path) -> None:
    found = bench(
        "smoke", batch_sizes=[4], lengths=[8], precisions=["fp32"], seconds=0.05, file="here.json", progress=False
    )
    assert found.path == Path("here.json")
    assert found.cells["samples_per_second"].gt(0).all()
    assert found.cells["batch_size"].tolist() == [4]
