"""Learning curves are read from a table and from a run folder alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import DataError, InputError
from harness.records.curves import read_curves
from harness.spec.space import Range
from tests.search.curves import NUM_TRAIN_ROWS, RATES, SHARES, SIZES, rows_of_table, write_table

KEPT = Path(__file__).parents[1] / "kept" / "finished"


def test_read_curves_of_a_table(tmp_path: Path) -> None:
    curves = read_curves(write_table(tmp_path / "reviews.parquet"))
    assert (curves.name, curves.num_train_rows, curves.chance) == ("reviews", NUM_TRAIN_ROWS, {"accuracy": 0.25})
    assert len(curves.curves) == len(RATES) * len(SIZES)
    first = curves.curves[0]
    assert first.whole and first.params == {"learning_rate": RATES[0], "batch_size": SIZES[0]}
    assert [progress.fraction for progress in first.history] == pytest.approx(SHARES, abs=1e-2)
    last = first.history[-1]
    assert last.metrics["accuracy"] == pytest.approx(np.mean(first.rows[last.step]["accuracy"]))


def test_read_curves_in_any_order_of_rows(tmp_path: Path) -> None:
    one, two = write_table(tmp_path / "one.parquet"), write_table(tmp_path / "two.parquet", rows_of_table()[::-1])
    by_params = [
        {str(curve.params): curve.history[-1].metrics for curve in read_curves(path).curves} for path in (one, two)
    ]
    assert by_params[0] == by_params[1]


def test_read_curves_keeps_seeds_apart(tmp_path: Path) -> None:
    rows = [row | {"seed": seed} for seed in (0, 1) for row in rows_of_table(20)]
    curves = read_curves(write_table(tmp_path / "table.parquet", rows)).curves
    assert len(curves) == 2 * len(RATES) * len(SIZES)
    assert all(len(curve.history) == len(SHARES) for curve in curves)


def test_read_curves_searches_the_range_of_a_grid(tmp_path: Path) -> None:
    domain = read_curves(write_table(tmp_path / "table.parquet")).spec.training.learning_rate
    assert domain == Range(low=RATES[0], high=RATES[-1], log=True)


def test_read_curves_of_a_run() -> None:
    curves = read_curves(KEPT)
    assert curves.chance and curves.num_train_rows
    assert {curve.whole for curve in curves.curves} == {True, False}, "it was pruned"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("accuracy", "no column 'accuracy'; see docs/pruning.md"),
        ("batch_size", "no column 'batch_size'; see docs/pruning.md"),
        ("step", "no column 'step'"),
    ],
)
def test_read_curves_without_a_column(tmp_path: Path, name: str, message: str) -> None:
    rows = [{key: value for key, value in row.items() if key != name} for row in rows_of_table(20)]
    with pytest.raises(DataError, match=f"table.parquet: {message}"):
        read_curves(write_table(tmp_path / "table.parquet", rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accuracy": None}, "has no accuracy at its last step"),
        ({"accuracy": float("nan")}, "has no accuracy at its last step"),
        ({"accuracy": "high"}, r"cannot be read \(metrics"),
        ({"step": "ten"}, "cannot be read|steps must be"),
        ({"total_steps": 7}, "steps must be from 1 to total_steps"),
        ({"num_rows": 0}, "0 rows|num_rows must be 1 or more"),
        ({"hits": b"x"}, "8 values of accuracy for 400 rows at step"),
        ({"step": 5}, "has two lines of one step; trainings of one configuration need a column 'seed'"),
    ],
)
def test_read_curves_of_a_table_with_other_values(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows = [row | change for row in rows_of_table(400)]
    with pytest.raises(DataError, match=rf"table.parquet: training 0 \(.*({message})"):
        read_curves(write_table(tmp_path / "table.parquet", rows))


@pytest.mark.parametrize("meta", [[1], {"rows": 5}, {"chance": "x"}])
def test_read_curves_of_other_metadata(tmp_path: Path, meta: object) -> None:
    path = write_table(tmp_path / "table.parquet")
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"grid": json.dumps(meta).encode()}), path)
    with pytest.raises(DataError, match="its metadata hold no study"):
        read_curves(path)


def test_read_curves_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_text("no table")
    with pytest.raises(DataError, match="is neither a Parquet table nor a run folder"):
        read_curves(tmp_path / "table.parquet")
    with pytest.raises(DataError, match="metadata hold no study"):
        read_curves(write_table(tmp_path / "table.parquet", study={"name": "x"}))
    pq.write_table(pa.table({"step": [1]}), tmp_path / "table.parquet")
    with pytest.raises(DataError, match="metadata hold no study"):
        read_curves(tmp_path / "table.parquet")


def test_read_curves_of_one_trial(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 1 trial with evaluations; a replay needs two or more"):
        read_curves(write_table(tmp_path / "table.parquet", rows_of_table(20)[: len(SHARES)]))
