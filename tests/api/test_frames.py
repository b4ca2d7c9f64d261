"""Data frames become Parquet files of the cache, each content once."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from harness.api.frames import frame_file, is_frame, table_file
from harness.data.formats import read_files
from harness.errors import DataError, InputError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def reviews() -> pd.DataFrame:
    return pd.DataFrame({"text": ["good, yes", "so, so"], "label": pd.Categorical(["yes", "no"]), "words": [["a"], []]})


def test_equal_frames_have_one_file_and_others_another(cache: Path) -> None:
    path = frame_file(reviews())
    assert path.parent == cache / "frames"
    assert re.fullmatch(r"[0-9a-f]{64}\.parquet", path.name)
    written = path.stat().st_mtime_ns
    assert frame_file(reviews().set_index(pd.Index(["x", "y"]))) == path
    assert path.stat().st_mtime_ns == written
    assert frame_file(reviews()[::-1]) != path
    assert len(list(path.parent.iterdir())) == 2


def test_frame_is_read_as_it_was() -> None:
    columns = read_files([frame_file(reviews())], None).columns
    assert columns["text"] == ["good, yes", "so, so"]
    assert columns["label"] == ["yes", "no"]
    assert [list(words) for words in columns["words"]] == [["a"], []]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"text": ["a", 3], "label": [1, 2]}),
        pd.DataFrame([["a", "b"]], columns=["text", "text"]),
    ],
    ids=["two types", "two columns of a name"],
)
def test_frame_that_is_no_table_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the data frame cannot be written as a table") as error:
        frame_file(frame)
    assert "text" in str(error.value)
    assert "\n" not in str(error.value)


def test_table_is_a_path_or_a_frame() -> None:
    assert table_file("a.csv") == Path("a.csv")
    assert is_frame(reviews())
    assert not is_frame([1])
    with pytest.raises(InputError, match="not list"):
        table_file([1])  # type: ignore[arg-type]
