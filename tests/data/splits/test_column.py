"""Tables with a column that names the split of each row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from harness.data.read import read_table
from harness.spec.study import DataSpec

SPLITS = ["train", "train", "val", "test"] * 5
WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
    ".parquet": lambda table, path: table.to_parquet(path),
    ".feather": lambda table, path: table.to_feather(path),
    ".xlsx": lambda table, path: table.to_excel(path, index=False),
}


def notes_on(path: Path, values: list[object], column: str = "split", **keys: object) -> list[str]:
    table = pd.DataFrame({"text": [f"t{at}" for at in range(20)], "label": ["a", "b"] * 10, column: values})
    WRITERS[path.suffix](table, path)
    tables = read_table(DataSpec.model_validate({"path": str(path), **keys}), "text-classification")
    assert len(tables.train) == 20
    return [note for note in tables.notes if "names the split of each row" in note]


@pytest.mark.parametrize("ending", WRITERS)
def test_column_of_splits_is_told(tmp_path: Path, ending: str) -> None:
    if ending == ".xlsx":
        pytest.importorskip("openpyxl")
    (note,) = notes_on(tmp_path / f"t{ending}", [*SPLITS])
    assert note == (
        f"t{ending}: column 'split' names the split of each row ('train', 'val', 'test') and is not used: all rows are "
        "split anew; to keep its splits, write the rows of each to a file (train.csv, validation.csv, test.csv) of one "
        "folder, and give the folder as data.path"
    )


@pytest.mark.parametrize(
    ("column", "values", "is_told"),
    [
        ("Set", [value.upper() for value in SPLITS], True),
        (" PARTITION ", ["training", "testing"] * 10, True),
        ("fold", ["Train", None] * 5 + ["dev", "valid"] * 5, True),
        ("fold", [*range(5)] * 4, False),
        ("split", ["train"] * 20, False),
        ("split", [*SPLITS[:-1], "unused"], False),
        ("set", [None] * 20, False),
        ("which", [*SPLITS], False),
    ],
)
def test_names_and_values_tell_a_column_of_splits(
    tmp_path: Path, column: str, values: list[object], is_told: bool
) -> None:
    assert bool(notes_on(tmp_path / "t.csv", values, column)) == is_told


def test_column_that_the_study_uses_is_not_told(tmp_path: Path) -> None:
    assert notes_on(tmp_path / "t.csv", [*SPLITS], label="split") == []
    assert notes_on(tmp_path / "t.csv", [*SPLITS], split={"group": "split"}) == []


def test_folder_of_splits_or_parts(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [f"t{at}" for at in range(20)], "label": ["a", "b"] * 10, "split": SPLITS})
    for name in ("part-00000.csv", "part-00001.csv"):
        table.to_csv(tmp_path / name, index=False)
    spec = DataSpec(path=str(tmp_path))
    assert "'split' names the split of each row" in " ".join(read_table(spec, "text-classification").notes)
    for name, split in (("part-00000.csv", "train.csv"), ("part-00001.csv", "test.csv")):
        (tmp_path / name).rename(tmp_path / split)
    (tmp_path / "test.csv").write_text("text,label,split\nu,a,test\nv,b,train\n")
    assert "'split' names" not in " ".join(read_table(spec, "text-classification").notes)
