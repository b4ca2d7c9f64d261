from __future__ import annotations

import csv
import stat
from pathlib import Path

import pandas as pd
import pytest

from harness.data import prepare as module
from harness.data.prepare import prepare
from harness.data.splits.extra import RESAMPLE_BY
from harness.errors import DataError
from harness.spec.study import DataSpec, ModelSpec, SplitSpec, StudySpec


def study(path: Path, **data: object) -> StudySpec:
    fields = {"path": str(path), **data}
    return StudySpec(name="s", data=DataSpec.model_validate(fields), model=ModelSpec(checkpoint="x"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    rows = [f"text {number},{('10', '9', '2')[number % 3]}" for number in range(60)]
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return path


def test_prepare_writes_splits_labels_and_facts(tmp_path: Path, table: Path) -> None:
    data = prepare(study(table), tmp_path / "cache")
    assert data.names == ("2", "9", "10")
    assert data.meta.rows == {"train": 48, "validation": 6, "test": 6}
    assert data.meta.counts["test"] == {"2": 2, "9": 2, "10": 2}
    assert data.meta.source == "t.csv"
    assert data.meta.task == "text-classification"
    assert data.meta.image is None
    frame = data.frame("train")
    assert list(frame.columns) == ["text", "label", "row"]
    first = frame.iloc[0]
    assert first["text"] == f"text {first['row'] - 1}"
    assert data.names[first["label"]] == ("10", "9", "2")[(first["row"] - 1) % 3]


def test_prepare_is_private(tmp_path: Path, table: Path) -> None:
    data = prepare(study(table), tmp_path / "new" / "cache")
    for folder in (data.folder, tmp_path / "new" / "cache", tmp_path / "new"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_prepare_uses_an_earlier_folder(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(study(table), tmp_path / "cache")
    monkeypatch.setattr(module, "read_table", lambda *_: pytest.fail("read again"))
    assert prepare(study(table), tmp_path / "cache").folder == first.folder
    # What only trials depend on does not matter.
    assert prepare(study(table, max_length=7), tmp_path / "cache").folder == first.folder


def test_prepare_sees_other_bytes_and_other_keys(tmp_path: Path, table: Path) -> None:
    first = prepare(study(table), tmp_path / "cache").folder
    other_seed = prepare(study(table, split=SplitSpec(seed=1)), tmp_path / "cache").folder
    table.write_text(table.read_text(encoding="utf-8") + "\nmore,2", encoding="utf-8")
    assert len({first, other_seed, prepare(study(table), tmp_path / "cache").folder}) == 3


def test_prepare_leaves_nothing_behind_when_it_fails(tmp_path: Path, table: Path) -> None:
    with pytest.raises(DataError):
        prepare(study(table, label="text"), tmp_path / "cache")
    with pytest.raises(DataError):
        prepare(study(table, label="labels"), tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".json", ".parquet")] == []


def test_prepare_says_what_cannot_be_learned(tmp_path: Path, table: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    table.rename(folder / "train.csv")
    (folder / "test.csv").write_text("text,label\nx,2\ny,new\n", encoding="utf-8")
    data = prepare(study(folder), tmp_path / "cache")
    assert data.names == ("2", "9", "10", "new")
    assert data.meta.notes == ("the class 'new' is in test but not in train: its rows cannot be got right",)


def dated(path: Path) -> Path:
    rows = [
        f"text {number},{number % 2},{number % 28 + 1}.{number // 28 + 1}.2024,u{number % 20}" for number in range(100)
    ]
    path.write_text("\n".join(["text,label,day,user", *rows, "undated,1,,"]), encoding="utf-8")
    return path


def test_prepare_splits_in_order(tmp_path: Path) -> None:
    spec = study(dated(tmp_path / "t.csv"), split=SplitSpec(by="day"))
    data = prepare(spec, tmp_path / "cache")
    assert [data.frame(split)["row"].min() for split in data.meta.rows] == [1, 81, 91]
    assert list(data.frame("train").columns) == ["text", "label", "row"]
    assert data.meta.notes == (
        "rows are in the order of 'day', as dates (data.split.by)",
        "t.csv: 1 of 101 rows have an empty 'day': they come first",
    )


def test_prepare_splits_by_group_and_keeps_the_units_of_intervals(tmp_path: Path) -> None:
    path = dated(tmp_path / "t.csv")
    data = prepare(study(path, split=SplitSpec(group="user"), resample_by="user"), tmp_path / "cache")
    frames = {split: data.frame(split) for split in data.meta.rows}
    assert sum(frame[RESAMPLE_BY].nunique() for frame in frames.values()) == 21  # the row without a user is one
    units = data.units("test")
    assert units is not None
    assert (units[:, None] == units).tolist() == [
        [mine == other for other in frames["test"][RESAMPLE_BY]] for mine in frames["test"][RESAMPLE_BY]
    ]
    assert prepare(study(path), tmp_path / "cache").units("test") is None
    with pytest.raises(DataError, match="no column 'users'"):
        prepare(study(path, resample_by="users"), tmp_path / "cache")


def test_prepare_given_splits_need_no_order_and_no_group(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    dated(folder / "train.csv")
    (folder / "test.csv").write_text("text,label\nnew,0\nother,1\n", encoding="utf-8")
    data = prepare(study(folder, split=SplitSpec(by="day", group="user")), tmp_path / "cache")
    assert data.meta.rows["test"] == 2
    with pytest.raises(DataError, match=r"test\.csv: no column 'user'"):
        prepare(study(folder, resample_by="user"), tmp_path / "cache")


def test_prepare_rows_without_a_group_share_it_with_no_row_of_another_split(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for split in ("train", "test"):
        rows = [f"{split} {row},{row % 2},{f'{split} user' if row % 2 else ''}" for row in range(40)]
        (folder / f"{split}.csv").write_text("\n".join(["text,label,user", *rows, ""]), encoding="utf-8")
    data = prepare(study(folder, split=SplitSpec(group="user")), tmp_path / "cache")
    assert not [note for note in data.meta.notes if "share their" in note]


def test_prepare_digits(tmp_path: Path) -> None:
    spec = StudySpec(
        name="d", task="image-classification", data=DataSpec(builtin="digits"), model=ModelSpec(checkpoint="x")
    )
    data = prepare(spec, tmp_path)
    assert data.meta.image == data.image_shape == (8, 8, 1)
    assert data.names == tuple("0123456789")
    assert data.meta.rows == {"train": 1437, "validation": 180, "test": 180}


def rows_hash(tmp_path: Path, path: Path, **fields: object) -> str:
    return prepare(study(path, **fields), tmp_path / "cache").meta.rows_sha256


def test_rows_hash_does_not_depend_on_path_format_or_columns_names(tmp_path: Path, table: Path) -> None:
    frame = pd.read_csv(table)
    for path in (tmp_path / "moved.csv", tmp_path / "lines.jsonl", tmp_path / "t.parquet"):
        {
            ".csv": lambda to: frame.to_csv(to, index=False, lineterminator="\r\n", quoting=csv.QUOTE_ALL),
            ".jsonl": lambda to: frame.to_json(to, orient="records", lines=True),
            ".parquet": lambda to: frame.to_parquet(to),
        }[path.suffix](path)
    frame.rename(columns={"text": "review"}).to_csv(tmp_path / "renamed.csv", index=False)
    first = rows_hash(tmp_path, table)
    assert len(first) == 64
    for name in ("moved.csv", "lines.jsonl", "t.parquet"):
        assert rows_hash(tmp_path, tmp_path / name) == first, name
    assert rows_hash(tmp_path, tmp_path / "renamed.csv", text="review") == first


def test_rows_hash_sees_a_text_a_label_the_order_and_the_split(tmp_path: Path, table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()
    changes = {
        "text": [*lines[:5], lines[5].replace("text", "Text"), *lines[6:]],
        "label": [*lines[:5], lines[5][:-1] + ("2" if lines[5][-1] != "2" else "9"), *lines[6:]],
        "order": [lines[0], *reversed(lines[1:])],
    }
    found = [rows_hash(tmp_path, table), rows_hash(tmp_path, table, split=SplitSpec(seed=1))]
    for name, changed in changes.items():
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(changed), encoding="utf-8")
        found.append(rows_hash(tmp_path, path))
    assert len(set(found)) == 5


def test_rows_hash_is_one_for_all_versions(tmp_path: Path, table: Path) -> None:
    """A run that was begun with another hash could not go on, so `BEHAVIOUR` rises with a change of it."""
    assert rows_hash(tmp_path, table) == "5b7128b600f2c5cb79433787a0426b2679d69faf6e715e1c0b4df2db1a862247"
