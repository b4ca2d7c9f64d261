"""Folders of classes: splits, labels, what is ignored, and links that lead out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.pictures.folders import class_folders, state_of
from harness.data.sources import find_source
from harness.errors import DataError
from harness.spec.study import DataSpec
from tests.data.pictures import made


def write(folder: Path, *names: str) -> None:
    for at, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(made.saved(made.colour(value=(at, 0, 0))))


def test_folders_of_splits_hold_folders_of_classes(tmp_path: Path) -> None:
    write(tmp_path, "Train/a/1.PNG", "Train/b/deep/2.jpeg", "val/a/3.png", "test/b/4.webp")
    (tmp_path / "Train" / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    found = class_folders(tmp_path)
    assert found is not None
    assert found.splits == {
        "train": (("Train/a/1.PNG", "a"), ("Train/b/deep/2.jpeg", "b")),
        "validation": (("val/a/3.png", "a"),),
        "test": (("test/b/4.webp", "b"),),
    }
    assert found.notes[1] == f"ignored in {tmp_path.name}: 2 files that are not in the folder of a class"


def test_classes_alone_are_one_split(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "dog/1.png", ".hidden/1.png")
    (tmp_path / "cat" / "folder.png").mkdir()
    found = class_folders(tmp_path)
    assert found is not None
    assert found.splits == {"train": (("cat/1.png", "cat"), ("dog/1.png", "dog"))}


def test_what_are_no_classes_is_no_folder_of_pictures(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png")
    assert class_folders(tmp_path) is None
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "notes.md").write_text("x", encoding="utf-8")
    assert class_folders(tmp_path) is None
    with pytest.raises(DataError, match="has no train table"):
        find_source(DataSpec(path=str(tmp_path)))


def test_a_table_in_the_folder_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "train/cat/1.png", "train/dog/1.png")
    assert find_source(DataSpec(path=str(tmp_path))).pictures
    (tmp_path / "train.csv").write_text("image,label\ntrain/cat/1.png,cat\n", encoding="utf-8")
    source = find_source(DataSpec(path=str(tmp_path)))
    assert not source.pictures and list(source.files) == ["train"]


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "secret.png", "data/cat/1.png", "data/dog/1.png")
    (tmp_path / "data" / "cat" / "2.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"'cat/2\.png' is outside of the data's folder"):
        class_folders(tmp_path / "data")


def test_a_hash_tells_other_bytes_and_names(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.png", "dog/1.png")
    before, state = class_folders(tmp_path), state_of(tmp_path)
    (tmp_path / "cat" / "1.png").write_bytes(made.saved(made.colour((9, 9))))
    after = class_folders(tmp_path)
    assert before is not None and after is not None and before.sha256 != after.sha256
    assert state != state_of(tmp_path)
    (tmp_path / "cat" / "1.png").rename(tmp_path / "cat" / "2.png")
    renamed = class_folders(tmp_path)
    assert renamed is not None and renamed.sha256 != after.sha256
    (tmp_path / "empty").mkdir()
    assert state_of(tmp_path / "empty") == ""
