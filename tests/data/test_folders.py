"""Folders of tables: one file a split, shards, parts, folders of splits, and saved data sets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.data.folders import files_of_folder
from harness.data.formats import read_files
from harness.data.sources import find_source
from harness.errors import DataError
from harness.spec.study import DataSpec

SHARDS = ["train-00001-of-00002.parquet", "train-00000-of-00002.parquet"]


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text,label\na,x\n", encoding="utf-8")
    return root


def found(root: Path) -> dict[str, list[str]]:
    files = files_of_folder(root).files
    return {split: [path.relative_to(root).as_posix() for path in paths] for split, paths in files.items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.csv", "dev.csv.gz", "test.zip"], {"train": [0], "validation": [1], "test": [2]}),
        ([*SHARDS, "test-00000-of-00001.parquet", "README.md"], {"train": [1, 0], "test": [2]}),
        (["train_2.csv", "train_10.csv", "train_1.csv"], {"train": [2, 0, 1]}),
        (["part-00001.csv", "part-00000.csv", "_SUCCESS"], {"train": [1, 0]}),
        (["README.md", *(f"data/{name}" for name in SHARDS)], {"train": [2, 1]}),
        (["plain_text/train.csv"], {"train": [0]}),
        (
            ["data/train-00000-of-00001-abcdef0123456789.parquet", "data/test-00000-of-00001-0123456789abcdef.parquet"],
            {"train": [0], "test": [1]},
        ),
        (
            ["default/train/0001.parquet", "default/train/0000.parquet", "default/test/0000.parquet"],
            {"train": [1, 0], "test": [2]},
        ),
        (["train.csv.zip", "test.csv.zip"], {"train": [0], "test": [1]}),
        (["train/b.csv", "train/a.csv", "val/part-0.csv"], {"train": [1, 0], "validation": [2]}),
        (["train-00002-of-00002.csv", "train-00001-of-00002.csv"], {"train": [1, 0]}),
        (["training.csv", "testing.csv"], {"train": [0], "test": [1]}),
        (["my_train.csv", "my_dev.csv", "test-en.tsv", "train.md"], {"train": [0], "validation": [1], "test": [2]}),
        (["reviews.train.jsonl.gz", "test.csv"], {"train": [0], "test": [1]}),
        (
            ["train.parquet/part-0-a.parquet", "train.parquet/_SUCCESS", "test.csv/part-0.csv"],
            {"train": [0], "test": [2]},
        ),
        (["reviews.csv", "README.txt", "LICENSE", "dataset_infos.json"], {"train": [0]}),
        (["labels.csv", "data/train.csv"], {"train": [1]}),
        (["reviews.csv", "~$reviews.csv"], {"train": [0]}),
        (["0001.parquet", "0000.parquet"], {"train": [1, 0]}),
        (["data-00001-of-00002.arrow", "data-00000-of-00002.arrow"], {"train": [1, 0]}),
        (["snapshots/abc/train.csv", "blobs/1"], {"train": [0]}),
    ],
)
def test_files_of_splits(tmp_path: Path, names: list[str], expected: dict[str, list[int]]) -> None:
    wanted = {split: [names[number] for number in numbers] for split, numbers in expected.items()}
    assert found(folder(tmp_path, *names)) == wanted


@pytest.mark.parametrize("inner", [["x.csv"], ["neg/1.txt"], []])
def test_other_folders_beside_splits_are_told(tmp_path: Path, inner: list[str]) -> None:
    root = folder(tmp_path, "train/a.csv", "test/a.csv", *(f"eval/{name}" for name in inner))
    (root / "eval").mkdir(exist_ok=True)
    folder(tmp_path, "eval.csv")
    assert files_of_folder(root).notes == (f"ignored in {root.name}: eval, eval.csv",)
    assert set(found(folder(tmp_path, "dev/a.csv"))) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (SHARDS[:1], "lacks shard 0 of 2 of train"),
        (
            ["train-0.csv", "train-1.tsv"],
            "holds more than one train split (train-0.csv, train-1.tsv); keep one of them",
        ),
        (["train.csv", "train-1.csv"], "holds more than one train split"),
        (["part-0.csv", "part-1.jsonl"], "holds tables of several formats (part-0.csv, part-1.jsonl)"),
        (["train-00002-of-00003.csv", "train-00003-of-00003.csv"], "lacks shard 0 of 3 of train"),
        (["a_train.csv", "b-train.csv"], "holds more than one train split (a_train.csv, b-train.csv)"),
        (["data-00001-of-00002.csv", "README.csv.txt"], "has no train table"),
        (["data-00001-of-00003.csv", "data-00002-of-00003.csv"], "lacks 1 of 3 shards"),
        (["one.csv", "two.csv"], "has no train table (it holds: one.csv, two.csv)"),
        (
            [f"train/{kind}/{at}.txt" for kind in ("neg", "pos") for at in range(12)],
            "holds texts, one a file (such as train",
        ),
        ([f"{kind}/{at}.txt" for kind in ("neg", "pos") for at in range(12)], "and no table; write them to one table"),
        (["a/x.csv", "b/x.csv"], "has no train table (it holds: a, b)"),
        (["test.csv"], "has no train table (it holds: test.csv)"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(DataError) as caught:
        files_of_folder(folder(tmp_path, *names))
    assert said in str(caught.value)


def test_folder_of_several_data_sets_names_one(tmp_path: Path) -> None:
    root = folder(tmp_path, "en/train.csv", "de/train.csv", "fr/train/0.parquet")
    with pytest.raises(DataError, match=re.escape(f"give one of its folders: data.path={root / 'de'};")):
        files_of_folder(root)


def test_names_of_splits_among_other_words_are_said(tmp_path: Path) -> None:
    notes = files_of_folder(folder(tmp_path / "a", "my_train.csv", "test.csv", "other.csv")).notes
    assert notes == ("in a: train is my_train.csv, test is test.csv", "ignored in a: other.csv")
    assert files_of_folder(folder(tmp_path / "b", "reviews.csv")).notes == ("in b: train is reviews.csv",)
    assert files_of_folder(folder(tmp_path / "c", "train.csv", "dev.csv")).notes == ()
    assert files_of_folder(folder(tmp_path / "d", "train/a.csv", "test/b.csv")).notes == ()
    shards = files_of_folder(folder(tmp_path / "e", "0000.csv", "0001.csv"))
    assert shards.notes == ("in e: train is 0000.csv and 1 more",)


def test_cache_of_the_hub_gives_its_last_revision(tmp_path: Path) -> None:
    root = folder(tmp_path, "snapshots/abc/train.csv", "snapshots/def/train.csv")
    with pytest.raises(DataError, match="has no train table"):
        files_of_folder(root)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("def")
    assert found(root) == {"train": ["snapshots/def/train.csv"]}


def test_parts_without_bytes_are_left_out_and_said(tmp_path: Path) -> None:
    root = folder(tmp_path, "part-0.csv", "part-1.csv", "part-2.csv")
    (root / "part-1.csv").write_bytes(b"")
    assert found(root) == {"train": ["part-0.csv", "part-2.csv"]}
    assert files_of_folder(root).notes == (f"ignored in {root.name}: part-1.csv",)
    shards = folder(tmp_path / "shards", "train-0.csv", "train-1.csv")
    (shards / "train-1.csv").write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        read_files(files_of_folder(shards).files["train"], ["text"])


def test_saved_data_set(tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder(tmp_path, f"{split}/data-00000-of-00002.arrow", f"{split}/data-00001-of-00002.arrow")
        files = [{"filename": f"data-0000{number}-of-00002.arrow"} for number in range(2)]
        (tmp_path / split / "state.json").write_text(json.dumps({"_data_files": files}), encoding="utf-8")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}', encoding="utf-8")
    assert found(tmp_path)["test"] == ["test/data-00000-of-00002.arrow", "test/data-00001-of-00002.arrow"]
    assert found(tmp_path / "train") == {"train": ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]}
    (tmp_path / "train" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(DataError, match=r"data-00001-of-00002\.arrow is missing"):
        files_of_folder(tmp_path)
    (tmp_path / "train" / "state.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="is not the state of a saved data set"):
        files_of_folder(tmp_path)


def test_hash_depends_on_every_shard(tmp_path: Path) -> None:
    folder(tmp_path, "train-0.csv", "train-1.csv")
    before = find_source(DataSpec(path=str(tmp_path)))
    assert read_files(before.files["train"], ["text"]).columns == {"text": ["a", "a"]}
    (tmp_path / "train-1.csv").write_text("text,label\nb,x\n", encoding="utf-8")
    assert find_source(DataSpec(path=str(tmp_path))).sha256 != before.sha256


def test_an_address_is_told_as_that() -> None:
    with pytest.raises(DataError, match=r"'https://x\.org/t\.csv' is an address; download the file"):
        find_source(DataSpec(path="https://x.org/t.csv"))
