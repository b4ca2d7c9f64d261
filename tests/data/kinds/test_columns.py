"""Categories, numbers and clicks: how cells are read, and that rows are events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.kinds import KINDS, duplicate_keys
from harness.data.prepare import prepare
from harness.errors import DataError, InputError
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of


def study(folder: Path, **data: Any) -> StudySpec:
    model = {"checkpoint": "scratch", "architecture": {"model_type": "fields"}}
    data = {"path": str(folder), "columns": {"user": "u", "categories": ["a", "b"], "numbers": ["x"]}} | data
    return StudySpec.model_validate({"name": "s", "task": "click-through", "data": data, "model": model})


def table(path: Path, rows: int, start: int = 0) -> None:
    lines = [f"u{at % 3},{at % 2},red,{at % 5 or ''},{at % 4 == 0:d}" for at in range(start, start + rows)]
    path.write_text("\n".join(["u,a,b,x,label", *lines]) + "\n", encoding="utf-8")


def test_cells() -> None:
    read = KINDS["categories"].read
    assert read("t", "a, b", [{"a": " x ", "b": 2.0}, {"a": None, "b": ["p", "q"]}]) == [["x", "2"], ["", "p\x1fq"]]
    assert KINDS["category"].read("t", "u", [7, "", " m"]) == ["7", "", "m"]
    assert KINDS["numbers"].read("t", "x", [{"x": "1.5", "y": "NA"}]) == [[1.5, None]]
    assert KINDS["click"].read("t", "label", [1, "0", True, 0.0, None]) == ["1", "0", "1", "0", None]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("numbers", {"x": "many"}, "t: row 1: 'x' is 'many', which is not a number"),
        (
            "click",
            "yes",
            "t: row 1: 'x' is 'yes', neither 0 nor 1; name the column that says whether there was a click",
        ),
        ("category", {"a": 1}, "t: row 1: 'x' holds a dict, not a text"),
    ],
)
def test_other_values_are_refused(kind: str, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        KINDS[kind].read("t", "x", [value])


def test_equal_rows_stay_where_they_are(tmp_path: Path) -> None:
    """All rows of train occur in test too: they are other events of the same users."""
    for split, start in (("train", 0), ("validation", 60), ("test", 120)):
        table(tmp_path / f"{split}.csv", 60, start)
    data = prepare(study(tmp_path), tmp_path / "cache")
    assert data.meta.rows == {"train": 60, "validation": 60, "test": 60}
    frame = data.frame("train")
    assert len(set(duplicate_keys(frame, facts_of("click-through")))) == 60
    assert [list(row) for row in frame["categories"][:2]] == [["0", "red"], ["1", "red"]]
    assert np.isnan([*frame["numbers"][0]]).all()
    assert data.names == ("0", "1")


def test_the_last_rows_in_the_order_of_a_column_are_the_test_split(tmp_path: Path) -> None:
    lines = [f"{at},{at % 3},{at % 2}" for at in (*range(50, 100), *range(50))]
    (tmp_path / "t.csv").write_text("\n".join(["time,u,label", *lines]) + "\n", encoding="utf-8")
    spec = study(tmp_path / "t.csv", columns={"user": "u"}, split={"by": "time"})
    rows = prepare(spec, tmp_path / "cache").frame("test")["row"]
    assert sorted(rows) == list(range(41, 51))  # those with times from 90 on


def test_a_study_names_a_column(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: x\ntask: click-through\ndata: {path: t.csv}\n"
        "model: {checkpoint: scratch, architecture: {model_type: fields}}\n",
        encoding="utf-8",
    )
    with pytest.raises(
        InputError, match=r"click-through reads user, item, categories, numbers, text: name the columns"
    ):
        load_study(path)
    assert load_study(path, ["data.columns={numbers: [a, b]}", "search.trials=1"]).task == "click-through"
