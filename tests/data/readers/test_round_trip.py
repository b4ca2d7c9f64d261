"""Random tables, written in every form that is read, come back as they were."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, ipc, parquet

from harness.data.formats import FORMATS, read_columns
from harness.data.readers.conll import WORD_FORMATS
from harness.errors import DataError
from tests.conftest import num_examples

Rows = list[tuple[str, str]]
NAMES = ["text", "label"]
SHORT = settings(
    max_examples=num_examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
tables = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from(["no", "yes", "nan"])),
    min_size=1,
    max_size=6,
)
#: Texts of the signs that decide how a file is cut.
signs = st.text('ab ,;\t|"\n', max_size=12)
tables_of_signs = st.lists(st.tuples(signs, st.sampled_from(["no", "yes"])), min_size=1, max_size=12)


def as_csv(rows: Rows, delimiter: str = ",", quoting: int = csv.QUOTE_ALL, encoding: str = "utf-8") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, quoting=quoting).writerows([NAMES, *rows])  # type: ignore[arg-type]
    return stream.getvalue().encode(encoding)


def as_r(rows: Rows) -> bytes:
    """What R's write.table(qmethod="double") writes: spaces between, and the names of the rows."""
    doubled = [[cell.replace('"', '""') for cell in row] for row in [NAMES, *rows]]
    lines = [" ".join(f'"{cell}"' for cell in row) for row in doubled]
    return "\n".join([lines[0], *(f'"{at}" {line}' for at, line in enumerate(lines[1:], start=1)), ""]).encode()


def as_dicts(rows: Rows) -> list[dict[str, str]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def as_arrow(rows: Rows, write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(pa.table({name: [row[at] for row in rows] for at, name in enumerate(NAMES)}), stream)
    return stream.getvalue()


def _write_stream(table: pa.Table, stream: io.BytesIO) -> None:
    with ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)


def as_zip(name: str, content: bytes, *litter: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for beside in litter:
            archive.writestr(beside, b"x")
        archive.writestr(name, content)
    return stream.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "a.csv": as_csv,
    "semicolon.csv": lambda rows: as_csv(rows, ";"),
    "utf16.csv": lambda rows: as_csv(rows, encoding="utf-16"),
    "a.tsv": lambda rows: as_csv(rows, "\t"),
    "a.txt": lambda rows: as_csv(rows, "|"),
    "r.txt": as_r,
    "a.json": lambda rows: json.dumps(as_dicts(rows), indent=1).encode(),
    "a.jsonl": lambda rows: "\n".join(json.dumps(row, ensure_ascii=False) for row in as_dicts(rows)).encode(),
    "a.tab": lambda rows: as_csv(rows, "\t"),
    "a.ndjson": lambda rows: "\n".join(map(json.dumps, as_dicts(rows))).encode(),
    "a.parquet": lambda rows: as_arrow(rows, parquet.write_table),
    "a.pq": lambda rows: as_arrow(rows, parquet.write_table),
    "a.feather": lambda rows: as_arrow(rows, feather.write_feather),
    "a.arrow": lambda rows: as_arrow(rows, _write_stream),
    "a.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "parquet.zip": lambda rows: as_zip("a.parquet", as_arrow(rows, parquet.write_table)),
    "litter.zip": lambda rows: as_zip("d/a.csv", as_csv(rows), "__MACOSX/d/._a.csv", "d/Thumbs.db", "d/desktop.ini"),
    "json.zip": lambda rows: as_zip("a.json", json.dumps(as_dicts(rows)).encode()),
}


def test_every_format_is_written() -> None:
    assert {Path(name).suffix for name in WRITERS} - {".gz", ".zip"} == FORMATS.keys() - {
        ".xlsx",
        ".xml",
        *WORD_FORMATS,
    }


@pytest.mark.parametrize("name", WRITERS)
@SHORT
@given(rows=tables)
def test_any_table_comes_back(tmp_path: Path, name: str, rows: Rows) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name](rows))
    columns = read_columns(path, NAMES)
    assert list(zip(*columns.values(), strict=True)) == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
@SHORT
@given(rows=tables_of_signs)
def test_quoted_rows_come_back_or_are_refused(tmp_path: Path, delimiter: str, quoting: int, rows: Rows) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(as_csv(rows, delimiter, quoting))
    try:
        columns = read_columns(path, NAMES)
    except DataError:
        return
    assert list(zip(*columns.values(), strict=True)) == rows


@SHORT
@given(rows=tables)
def test_rows_within_objects_and_lists_come_back(tmp_path: Path, rows: Rows) -> None:
    tasks = [{"data": {"text": text}, "annotations": [{"result": [{"choices": [label]}]}]} for text, label in rows]
    (tmp_path / "t.json").write_text(json.dumps(tasks), encoding="utf-8")
    parquet.write_table(pa.Table.from_pylist(tasks), tmp_path / "t.parquet")
    for name in ("t.json", "t.parquet"):
        texts, labels = read_columns(tmp_path / name, ["data.text", "annotations.result.choices"]).values()
        assert list(zip(texts, (label[0] for label in labels), strict=True)) == rows


@SHORT
@given(rows=tables_of_signs, letters=st.text("éàüłß漢字", min_size=3, max_size=6))
def test_rows_in_utf7_come_back_or_are_refused(tmp_path: Path, rows: Rows, letters: str) -> None:
    rows = [(f"{letter}. {text}", label) for letter, (text, label) in zip(letters * 4, rows, strict=False)]
    (tmp_path / "t.csv").write_bytes(as_csv(rows, encoding="utf-7"))
    try:
        columns = read_columns(tmp_path / "t.csv", NAMES)
    except DataError:
        return
    assert list(zip(*columns.values(), strict=True)) == rows
