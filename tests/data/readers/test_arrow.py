"""Arrow streams that are cut."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, ipc

from harness.data.formats import Content, read_files
from harness.errors import DataError

MARK = b"\xff\xff\xff\xff\0\0\0\0"
ROWS = 25


def stream(path: Path) -> bytes:
    """Writes a stream of three batches, whose last bytes before the mark of its end are those of the mark too."""
    table = pa.table({"text": ["good"] * ROWS, "label": pa.array([-1] * ROWS, pa.int32())})
    with ipc.new_stream(path, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=10):
            writer.write_batch(batch)
    assert path.read_bytes().endswith(MARK * 2)
    return path.read_bytes()


def read(path: Path) -> Content:
    return read_files([path], ["text", "label"])


@pytest.mark.parametrize("name", ["t.arrow", "t.feather"])
def test_stream_that_ends_behind_a_batch_is_told(tmp_path: Path, name: str) -> None:
    whole = stream(tmp_path / name)
    assert read(tmp_path / name).notes == ()
    (tmp_path / name).write_bytes(whole[: -len(MARK)])
    content = read(tmp_path / name)
    assert len(content.columns["text"]) == ROWS
    assert content.notes == (f"{name}: has no mark of its end behind the last of 25 rows; it may be cut off",)


def test_mark_counts_before_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.arrow").write_bytes(stream(tmp_path / "t.arrow") + b"more")
    assert read(tmp_path / "t.arrow").notes == ()


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_stream_that_is_cut_elsewhere_is_refused(tmp_path: Path, cut: int) -> None:
    (tmp_path / "t.arrow").write_bytes(stream(tmp_path / "t.arrow")[:-cut])
    with pytest.raises(DataError, match=r"t\.arrow: cannot be read as \.arrow"):
        read(tmp_path / "t.arrow")


def test_feather_files_have_no_such_mark_and_no_note(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"text": ["good"], "label": [-1]}), str(tmp_path / "t.feather"))
    assert read(tmp_path / "t.feather").notes == ()


def test_what_datasets_writes_has_the_mark(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["good"] * 5, "label": [1] * 5}).save_to_disk(str(tmp_path / "saved"))
    (path,) = (tmp_path / "saved").glob("*.arrow")
    assert read(path).notes == ()
