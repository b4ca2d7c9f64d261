"""Values of a table become pictures; nothing outside of the data's folder is reached."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from harness.data.pictures.find import MAX_BYTES, Picture, find_picture, find_pictures
from harness.errors import DataError
from tests.data.pictures import made

RED = made.saved(made.colour(value=(255, 0, 0)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").write_bytes(RED)
    folder = tmp_path / "data"
    (folder / "imgs" / "a.png").mkdir(parents=True)
    for name in ("1.png", "2.PNG", "3.jpg.txt", unicodedata.normalize("NFD", "Käse.png"), "empty.png"):
        (folder / "imgs" / name).write_bytes(b"" if name == "empty.png" else RED)
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "within.png").symlink_to(folder / "imgs" / "1.png")
    (folder / "round.png").symlink_to(folder / "round.png")
    os.mkfifo(folder / "pipe.png")
    return folder


def found(folder: Path, value: Any) -> Picture:
    return find_picture("t.csv: row 1: 'image'", value, folder, folder)


@pytest.mark.parametrize(
    "value",
    ["imgs/1.png", "./imgs/1.png", " imgs/1.png ", "imgs\\1.png", "imgs/2.PNG", "imgs/3.jpg.txt", "within.png",
     "imgs/../imgs/1.png", unicodedata.normalize("NFC", "imgs/Käse.png"), {"bytes": None, "path": "imgs/1.png"}],
)  # fmt: skip
def test_a_path_relative_to_the_table_is_found(folder: Path, value: Any) -> None:
    assert found(folder, value).read() == RED


def test_an_absolute_path_within_the_folder_is_found(folder: Path) -> None:
    assert found(folder, str(folder / "imgs" / "1.png")).read() == RED


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("../secret.png", "is outside of the data's folder"),
        ("/etc/passwd", "is outside of the data's folder"),
        ("imgs/../../secret.png", "is outside of the data's folder"),
        ("out.png", "is outside of the data's folder"),
        ("up/secret.png", "is outside of the data's folder"),
        ("..\\secret.png", "is outside of the data's folder"),
        ("https://example.org/a.png", "is an address; download"),
        ("file:///etc/passwd", "is an address; download"),
        ("data:image/png;base64,AAAA", "is an address; download"),
        ("imgs/11.png", "there is no such file (paths are relative to"),
        ("imgs/a.png", "is a folder"),
        ("pipe.png", "is no regular file"),
        ("round.png", "t.csv: row 1: 'image': 'round.png'"),
        ("a\0b", "is no path of a file"),
        ("x" * 5000, "is no path of a file"),
        (3.5, "is no picture: '3.5'"),
        ("", "is no picture: ''"),
        ([1, 2], "is no picture: '[1, 2]'"),
    ],
)
def test_what_is_no_file_of_the_folder_is_refused(folder: Path, value: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        found(folder, value)
    assert message in str(caught.value) and str(caught.value).startswith("t.csv: row 1: 'image'")


def test_the_nearest_name_is_told(folder: Path) -> None:
    with pytest.raises(DataError, match=r"did you mean '1\.png'\?"):
        found(folder, "imgs/11.png")


def test_the_bytes_of_a_hub_data_set_need_no_folder() -> None:
    picture = find_picture("t.parquet: row 1: 'image'", {"bytes": RED, "path": "/secret/0.png"}, None, None)
    assert picture.read() == RED and picture.name == "/secret/0.png" and picture.file is None
    assert find_picture("t", memoryview(RED), None, None).read() == RED
    with pytest.raises(DataError, match="is a path, and this data has no folder"):
        find_picture("t", {"bytes": None, "path": "0.png"}, None, None)


def test_files_without_and_with_too_many_bytes_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"'imgs/empty\.png': is empty \(0 bytes\)"):
        found(folder, "imgs/empty.png").read()
    with (folder / "huge.png").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="has more than 256 MiB"):
        found(folder, "huge.png").read()


def test_a_column_keeps_its_missing_values_and_counts_rows(folder: Path) -> None:
    pictures = find_pictures("t.csv", "image", ["imgs/1.png", None, " "], folder, folder)
    assert pictures[0].sha256() == pictures[0].sha256() and pictures[1:] == [None, None]
    with pytest.raises(DataError, match=r"t\.csv: row 2: 'image': 'no\.png'"):
        find_pictures("t.csv", "image", ["imgs/1.png", "no.png"], folder, folder)
