"""Blocks of well-formed records are read as csv reads them, and texts that may be joined rows are found in them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.formats import Form, read_files
from harness.data.readers import delimited, plain
from harness.data.readers.dialect import Dialect
from harness.data.readers.file import TableFile
from harness.data.readers.header import Header
from harness.data.readers.rows import Table, Undecided
from harness.errors import DataError

CELLS = st.text(alphabet='ab",;\n\r é\0', max_size=6)


def outcome(content: str, dialect: Dialect, is_all: bool, has_returns: bool) -> object:
    """What is read of two columns of three, by blocks or, with `has_returns`, by csv alone."""
    file = TableFile("t.csv", "t.csv", lambda: io.BytesIO(content.encode()))  # type: ignore[arg-type, return-value]
    table = Table("t.csv", Header(["x", "y", "z"], 1), dialect, is_all, {"x": 0, "z": 2}, ("x", "z"))
    try:
        return table.read(file, "utf-8", 1, has_returns), table.notes()
    except (DataError, Undecided) as error:
        return type(error), str(error)


def written(rows: list[list[str]], end: str) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator=end).writerows(rows)
    return stream.getvalue()


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.text(alphabet='a",\n', max_size=8),
    st.booleans(),
    st.integers(1, 40),
)
def test_blocks_are_read_as_csv_reads_them(
    rows: list[list[str]], end: str, more: str, quoted: bool, block_bytes: int
) -> None:
    content = "x,y,z\n" + written(rows, end) + more
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "BLOCK_BYTES", block_bytes)
        by_blocks = outcome(content, Dialect(",", quoted, 3), True, False)
    assert by_blocks == outcome(content, Dialect(",", quoted, 3), True, True)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=12), st.integers(1, 40))
def test_rows_of_large_files_are_what_was_written(rows: list[list[str]], block_bytes: int) -> None:
    rows = [[cell.replace("\r", "") for cell in cells] for cells in rows]
    rows = [[cells[0], cells[1].replace("\n", " "), cells[2]] for cells in rows]
    kept = [cells for cells in rows if not any("," in cell and "\n" in cell for cell in cells)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "BLOCK_BYTES", block_bytes)
        read = outcome("x,y,z\n" + written(kept, "\n"), Dialect(",", True, 3), False, False)
    assert read == ({"x": [row[0] for row in kept], "z": [row[2] for row in kept]}, [])


def test_line_breaks_in_texts_of_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "SAMPLE_CHARS", 200)
    asked_all = []
    monkeypatch.setattr(delimited, "Undecided", asked_all.append)  # nothing else may be caught
    rows = [[f"first, {number}\nand second", "yes" if number % 3 else "no"] for number in range(100)]
    path = tmp_path / "t.csv"
    path.write_text(written([["text", "label"], *rows], "\n"))
    content = read_files([path], ["text", "label"])
    assert content.columns == {"text": [row[0] for row in rows], "label": [row[1] for row in rows]}
    assert content.notes == ("t.csv: 100 cells hold a line break and the delimiter (first: line 2)",)


def test_rows_joined_by_stray_quotes_late_in_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "SAMPLE_CHARS", 2000)
    rows = [f"text {number},{'yes' if number % 3 else 'no'}" for number in range(1000)]
    path = tmp_path / "t.csv"
    for start in range(900, 950, 10):
        rows[start] = '"' + rows[start]
        rows[start + 5] = rows[start + 5].replace(",", '",')
        path.write_text("\n".join(["text,label", *rows]) + "\n")
        with pytest.raises(DataError, match="line 902: a double quote opens here and closes on line 907"):
            read_files([path], ["text", "label"])
    content = read_files([path], ["text", "label"], Form(quoting="none"))
    assert len(content.columns["text"]) == 1000
    assert content.columns["text"][900] == '"text 900'
