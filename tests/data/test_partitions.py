"""Folders named by a column and its value, as Hive, Spark and pandas write them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from harness.data.folders import files_of_folder
from harness.data.partitions import partition_values
from harness.data.read import Tables, read_table
from harness.data.sources import find_source
from harness.errors import DataError
from harness.spec.study import DataSpec

TABLE = pd.DataFrame(
    {"text": [f"text number {at}" for at in range(40)], "label": ["neg", "pos"] * 20, "year": [2023, 2024] * 20}
)


def tables(folder: Path, **keys: object) -> Tables:
    return read_table(DataSpec.model_validate({"path": str(folder), **keys}), "text-classification")


@pytest.mark.parametrize("columns", [["label"], ["year", "label"], ["label", "year"]])
def test_what_pandas_writes_comes_back(tmp_path: Path, columns: list[str]) -> None:
    TABLE.to_parquet(tmp_path / "reviews", partition_cols=columns)
    found = tables(tmp_path / "reviews")
    read = found.train.sort_values("text").reset_index(drop=True)
    expected = TABLE.sort_values("text").reset_index(drop=True)
    assert list(read["text"]) == list(expected["text"])
    assert list(read["label"]) == list(expected["label"])
    listed = ", ".join(f"'{column}'" for column in columns)
    assert f"in reviews: the names of the folders hold {listed}" in found.notes


def test_text_and_splits(tmp_path: Path) -> None:
    for split, numbers in (("train", range(30)), ("test", range(30, 40))):
        for label in ("neg", "pos"):
            folder = tmp_path / f"split={split}" / f"label={label}"
            folder.mkdir(parents=True)
            rows = TABLE.iloc[list(numbers)]
            rows[rows["label"] == label][["text"]].to_csv(folder / "part-0.csv", index=False)
    (tmp_path / "_SUCCESS").write_bytes(b"")
    found = tables(tmp_path)
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (30, 10)
    assert sorted(found.test["text"]) == [f"text number {at}" for at in range(30, 40)]
    assert {*zip(found.train["text"], found.train["label"], strict=True)} <= {
        *zip(TABLE["text"], TABLE["label"], strict=True)
    }


@pytest.mark.parametrize("above", ["train", "train.parquet", "data", "data/train"])
def test_partitions_within_other_folders(tmp_path: Path, above: str) -> None:
    (tmp_path / above).parent.mkdir(exist_ok=True)
    TABLE.to_parquet(tmp_path / above, partition_cols=["label"])
    assert sorted(tables(tmp_path).train["label"]) == sorted(TABLE["label"])


def test_values_are_unquoted_and_null_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "label=very%20good" / "to=__HIVE_DEFAULT_PARTITION__" / "of=a=b" / "x" / "part-0.csv"
    assert partition_values(tmp_path, path) == {"label": "very good", "to": None, "of": "a=b"}


def test_the_hash_has_the_names_of_the_folders(tmp_path: Path) -> None:
    hashes = set()
    for label in ("pos", "neg"):
        folder = tmp_path / label / f"label={label}"
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_text("text\na\n", encoding="utf-8")
        hashes.add(find_source(DataSpec(path=str(tmp_path / label))).sha256)
    assert len(hashes) == 2


def test_a_missing_column_names_those_of_the_folders(tmp_path: Path) -> None:
    TABLE.to_parquet(tmp_path / "reviews", partition_cols=["label"])
    with pytest.raises(DataError, match=r"no column 'stars' \(columns: .*\), and its folders give 'label'; name it"):
        tables(tmp_path / "reviews", label="stars")


def test_folders_above_the_path_give_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "label=pos"
    folder.mkdir()
    TABLE.to_csv(folder / "train.csv", index=False)
    assert files_of_folder(folder).partitions == {}
    assert set(tables(folder).train["label"]) == {"neg", "pos"}


def test_tables_of_several_formats_are_refused(tmp_path: Path) -> None:
    for name in ("label=a/part-0.csv", "label=b/part-0.tsv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("text\na\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds tables of several formats"):
        find_source(DataSpec(path=str(tmp_path)))
