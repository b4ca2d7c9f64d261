"""Reading benchmark files: whole ones, the least that is one, and all that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.records import bench as records_bench
from harness.records.bench import BenchFile, Cell, Machine, Noise, Sharing, StepTime, read_bench, write_bench
from harness.records.bench_files import CELL, MACHINE, is_bench_file, read_any

LEAST: dict[str, Any] = {
    "machine": {"id": "abc", "ceiling": {"fp32": 100.0}},
    "cells": [{"checkpoint": "m", "batch_size": 8, "length": 64, "precision": "fp32", "samples_per_second": 10.0}],
}


def written(folder: Path, value: Any) -> Path:
    path = folder / "b.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    bench = BenchFile(
        machine=Machine(id="m", ceiling={"bf16": 5.0}),
        noise=Noise(pairs=3, spread=0.02),
        cells=(
            Cell(
                checkpoint="a/b",
                batch_size=4,
                length=16,
                precision="bf16",
                threads=2,
                step_ms=StepTime(median=1, p95=2, low=0.5, high=1.5),
            ),
        ),
    )
    path = tmp_path / "new" / "b.json"
    write_bench(path, bench)
    assert read_bench(path) == bench
    assert [entry.name for entry in path.parent.iterdir()] == ["b.json"]


def test_least_file_is_one(tmp_path: Path) -> None:
    found = read_any(written(tmp_path, LEAST | {"written by": "a later version"}))
    assert found.machine.ceiling == {"fp32": 100.0}
    assert found.cells[0].mode == "train"
    assert found.cells[0].step_ms is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "cannot be read as JSON"),
        ("{not json", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ([], "is not a file of harness bench"),
        ({"cells": []}, "machine: Field required"),
        (LEAST | {"machine": {"id": ""}}, "machine.id"),
        (LEAST | {"cells": [{"checkpoint": "m", "precision": "fp32"}]}, "cells.0.batch_size"),
        (LEAST | {"cells": [LEAST["cells"][0] | {"samples_per_second": -1}]}, "cells.0.samples_per_second"),
        (LEAST | {"format": 2}, "format"),
        ({"benchmarks": [], "machine_info": {}}, "pytest benchmarks/ --benchmark-json"),
        ({"benchmarks": [{"extra_info": {}}, 5], "machine_info": None}, "pytest-benchmark file without"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_any(written(tmp_path, value))


def test_missing_and_huge_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_bench(tmp_path / "no.json")
    path = written(tmp_path, LEAST)
    monkeypatch.setattr(records_bench, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="larger than"):
        read_bench(path)


KEYS = st.sampled_from(["machine", "cells", "benchmarks", "machine_info", "id", "extra_info"])
SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@given(SOME_JSON)
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = written(tmp_path_factory.getbasetemp(), value)
    try:
        assert read_any(path).machine.id
    except InputError as error:
        assert str(error)


def test_pytest_benchmark_file_is_read(tmp_path: Path) -> None:
    value = {
        "machine_info": {MACHINE: {"machine": LEAST["machine"], "setups": [{"device": "cpu", "threads": 1}]}},
        "benchmarks": [{"name": "x", "extra_info": {CELL: LEAST["cells"][0]}}, {"name": "y", "extra_info": {}}],
    }
    found = read_any(written(tmp_path, value))
    assert found.cells[0].samples_per_second == 10.0
    assert found.setup("cpu", 1) is not None


def test_bench_files_are_told_from_run_folders(tmp_path: Path) -> None:
    assert is_bench_file(written(tmp_path, LEAST))
    assert is_bench_file(tmp_path / "missing.json")
    assert not is_bench_file(tmp_path)


def test_sharing_costs_a_share_of_the_speed() -> None:
    shared = Sharing(run="r", trial=1, slots=2, threads=1, recorded=75.0, alone=100.0)
    assert shared.cost == 0.25
    assert shared.model_copy(update={"alone": 0.0}).cost == 0.0


def test_title_tells_cells_apart() -> None:
    cell = Cell(checkpoint="owner/model", batch_size=8, length=64, precision="bf16", threads=1)
    assert cell.title == "model train 8 x 64 bf16, 1 thread"
    assert cell.model_copy(update={"device": "cuda:0"}).title == "model train 8 x 64 bf16, cuda:0"
