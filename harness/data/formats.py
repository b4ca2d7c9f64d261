"""Reads CSV, TSV, JSONL and Parquet files, each into columns of plain values."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DataError, MissingColumn, look_up, nearest

__all__ = ["FORMATS", "read_columns", "require_columns"]

_MAX_CELL_BYTES = 16 * 2**20


def read_columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Returns the `names` columns of a file, each a list with a value for each row; a CSV's values are its exact text.

    Raises:
        DataError: the file cannot be read, is broken (with its line), or lacks a column.
        InputError: no format has this file name extension.
    """
    read = look_up(FORMATS, path.suffix.lower(), f"data.path: {path.name}")
    try:
        return read(path, names)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def require_columns(place: str, names: Iterable[str], present: Sequence[str]) -> None:
    """Raises MissingColumn, which says the nearest column, when one of `names` is missing."""
    for name in names:
        if name not in present:
            listed = ", ".join(f"'{column}'" for column in present[:20]) or "none"
            more = f" and {len(present) - 20} more" if len(present) > 20 else ""
            raise MissingColumn(
                name,
                f"{place}: no column '{name}' (columns: {listed}{more}){nearest(name, present)}; "
                f"name it with data.text=, data.text_pair= or data.label=",
            )


def _text(path: Path) -> str:
    content = path.read_bytes()
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{path}: the file is empty; give a table with a header and rows")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            place, guess = "it starts like UTF-16", "UTF-16"
        else:
            line = content.count(b"\n", 0, error.start) + 1
            place, guess = f"line {line}: byte 0x{content[error.start]:02x}", "OLD_ENCODING"
        raise DataError(
            f"{path}: not UTF-8 ({place}); convert it: iconv -f {guess} -t UTF-8 {path.name} > new{path.suffix}"
        ) from error


def _csv(path: Path, names: Sequence[str], delimiter: str = ",") -> dict[str, list[Any]]:
    """Reads with the csv module instead of pandas.

    It knows the line of a row with too many or too few cells, and takes no text for a missing value.
    """
    csv.field_size_limit(_MAX_CELL_BYTES)
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter, strict=True)
    columns: dict[str, list[Any]] = {}
    try:
        header = next(row for row in reader if row)
        _require_header(path, names, header)
        picked = [(columns.setdefault(name, []), header.index(name)) for name in names]
        for row in reader:
            if len(row) != len(header):
                if not row:
                    continue
                raise DataError(
                    f"{path}: line {reader.line_num}: {len(row)} fields where the header has {len(header)}; "
                    f'put a text that holds the delimiter or a quote in double quotes, and write " inside it as ""'
                )
            for column, at in picked:
                column.append(row[at])
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}; is a double quote left open?") from error
    return columns


def _tsv(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    return _csv(path, names, delimiter="\t")


def _require_header(path: Path, names: Sequence[str], header: list[str]) -> None:
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: column '{twice}' occurs twice in the header; rename one of them")
    if len(header) == 1 and names[0] not in header:
        other = next((mark for mark in ("\t", ";", "|", ",") if mark in header[0]), None)
        if other is not None:
            raise DataError(
                f"{path}: one column only, {header[0]!r}: its cells seem to be separated by {other!r}; "
                "write .csv with commas, or .tsv with tabs"
            )
    require_columns(str(path), names, header)


def _jsonl(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            detail = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else error
            raise DataError(f"{path}: line {number}: not JSON ({detail}); one object a line is allowed") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: {type(row).__name__} instead of an object {{column: value}}")
        require_columns(f"{path}: line {number}", names, list(row))
        for name in names:
            columns[name].append(row[name])
    return columns


def _parquet(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        require_columns(str(path), names, parquet.read_schema(path).names)
        # ParquetFile, not read_table: the latter would take column=value folders above the file for columns.
        table = parquet.ParquetFile(path).read(columns=list(names))
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({str(error).splitlines()[0]})") from error
    return {name: table.column(name).to_pylist() for name in names}


#: The reader of a file, by the extension of its name.
FORMATS: Mapping[str, Callable[[Path, Sequence[str]], dict[str, list[Any]]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
