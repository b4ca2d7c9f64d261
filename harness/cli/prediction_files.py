"""Writes a table to the file that `harness predict --out` names, in the format that the ending of its name says."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.values import cell_of
from harness.errors import DataError, InputError, MissingPackage
from harness.records.files import write_bytes

__all__ = ["Columns", "as_csv", "check_out", "write_out", "written", "written_rows"]

#: The values of a table by the names of its columns, one for each row.
Columns = Mapping[str, Sequence[Any]]
#: What a cell of an Excel sheet can hold, and a sheet.
_MAX_CELL, _MAX_ROWS = 32_767, 1_048_576
#: Excel keeps 15 digits of a number.
_MAX_NUMBER = 10**15


def as_csv(columns: Columns, delimiter: str = ",") -> str:
    """Returns a table as CSV, header first; lists are JSON."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(cell_of, row) for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _tsv(columns: Columns) -> bytes:
    """Returns a table of tabs, which no cell can hold: such a table is read without quotes.

    Raises:
        DataError: a cell holds a tab or a line break.
    """
    rows = [list(columns), *([cell_of(value) for value in row] for row in zip(*columns.values(), strict=True))]
    for number, row in enumerate(rows):
        if broken := next((cell for cell in row if any(sign in cell for sign in "\t\r\n")), None):
            raise DataError(
                f"row {number} holds a tab or a line break ({broken[:40]!r}), which a TSV cannot; name a .csv"
            )
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _rows(columns: Columns) -> list[dict[str, Any]]:
    values = {name: [_plain(value) for value in column] for name, column in columns.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _plain(value: Any) -> Any:
    """Returns a value as JSON has it: None for NaN, text for dates, whole characters."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value == value else None
    return json.loads(cell_of(value)) if isinstance(value, (list, dict)) else cell_of(value)


def written_rows(out: Path | None, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Returns rows as JSON: an object a line where the name says that, else a list."""
    if out is not None and out.suffix.lower() in _OF_LINES:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return (json.dumps(rows, indent=1) + "\n").encode()


def _parquet(columns: Columns) -> bytes:
    """Returns a table as Parquet; a column of several types is written as text."""
    import pyarrow as pa
    from pyarrow import parquet

    def array(values: Sequence[Any]) -> Any:
        try:
            return pa.array([_whole(value) for value in values])
        except (pa.ArrowException, OverflowError):
            return pa.array([None if value is None else cell_of(value) for value in values], pa.string())

    stream = io.BytesIO()
    parquet.write_table(pa.table({name: array(values) for name, values in columns.items()}), stream)
    return stream.getvalue()


def _whole(value: Any) -> Any:
    return _plain(value) if isinstance(value, (str, float, list, dict)) else value


def _excel(columns: Columns) -> bytes:
    """Returns a table as the sheet of a workbook, whose texts are texts and no formulas.

    Raises:
        DataError: a sheet cannot hold the table.
        MissingPackage: the package that writes workbooks is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    except ImportError as error:
        raise MissingPackage(
            "an Excel workbook needs the package openpyxl: pip install 'finetune-harness[xlsx]'; or name a .csv"
        ) from error
    rows = [
        [cell_of(value) if _is_text_in_excel(value) else value for value in map(_plain, row)]
        for row in (list(columns), *zip(*columns.values(), strict=True))
    ]
    if len(rows) > _MAX_ROWS:
        raise DataError(f"an Excel sheet has {_MAX_ROWS:,} rows at most, and this table {len(rows):,}; name a .csv")
    for number, text in ((number, value) for number, row in enumerate(rows) for value in row if isinstance(value, str)):
        if ILLEGAL_CHARACTERS_RE.search(text):
            raise DataError(f"row {number} holds a control character, which Excel cannot; name a .csv")
        if len(text) > _MAX_CELL:
            raise DataError(
                f"row {number} holds a text of {len(text):,} characters, and a cell of Excel {_MAX_CELL:,} at most; "
                "name a .csv"
            )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("predicted")
    for row in rows:
        cells = [WriteOnlyCell(sheet, value) for value in row]
        for cell, value in zip(cells, row, strict=True):
            if isinstance(value, str):
                cell.data_type = "s"  # "=1+1" is a text, no formula
        sheet.append(cells)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _is_text_in_excel(value: Any) -> bool:
    """True for what a cell of Excel holds as text alone: lists, and whole numbers that it would round, such as ids."""
    return isinstance(value, (list, dict)) or (isinstance(value, int) and abs(value) >= _MAX_NUMBER)


_OF_LINES = (".jsonl", ".ndjson")
_OF_JSON = (".json", *_OF_LINES)
#: How a table is written, by the ending of the file's name.
_FORMATS: Mapping[str, Callable[[Columns], bytes]] = {
    ".csv": lambda columns: as_csv(columns).encode(),
    ".tsv": _tsv,
    ".json": lambda columns: written_rows(None, _rows(columns)),
    **dict.fromkeys(_OF_LINES, lambda columns: written_rows(Path("rows.jsonl"), _rows(columns))),
    ".parquet": _parquet,
    ".pq": _parquet,
    ".xlsx": _excel,
}


def check_out(out: Path, read: Sequence[Path], *, json_alone: bool) -> None:
    """Refuses a name whose ending says no format that is written, a file that is read, and a folder that is not there.

    What is no file (a pipe, a device) may have any name.

    Args:
        out: the file to write.
        read: the files of the table that is read.
        json_alone: the output is JSON (`--json`).

    Raises:
        InputError: with the endings that are known, or the remedy.
    """
    if same := next((path for path in read if out.exists() and path.exists() and out.samefile(path)), None):
        raise InputError(f"--out {out} is the table that is read ({same}); give another name, which keeps the table")
    known = _OF_JSON if json_alone else tuple(_FORMATS)
    if out.exists() and not out.is_file():
        return
    if out.suffix.lower() not in known:
        what = f"'{out.suffix}' is no format" if out.suffix else "its name has no ending to say the format"
        of_json = " with --json" if json_alone else ""
        raise InputError(f"--out {out}: {what} that is written{of_json}; allowed: {', '.join(known)}")
    folder = Path(os.path.realpath(out)).parent
    if not os.access(folder, os.W_OK):
        reason = errno.EACCES if folder.exists() else errno.ENOENT
        raise InputError(f"--out {out} cannot be written: {os.strerror(reason)}")


def written(out: Path | None, columns: Columns) -> bytes:
    """Returns a table as the ending of a name says; as CSV for standard output, and for what is no file.

    Raises:
        DataError: the format cannot hold the table.
        MissingPackage: the package that writes the format is not installed.
    """
    write = _FORMATS.get(out.suffix.lower() if out is not None else "", _FORMATS[".csv"])
    try:
        return write(columns)
    except (DataError, MissingPackage) as error:
        raise type(error)(f"--out {out}: {error}") from None


def write_out(out: Path, content: bytes) -> None:
    """Replaces the file, or the target of a link; writes into what is no file (a pipe, a device).

    Raises:
        InputError: it cannot be written.
    """
    try:
        if out.exists() and not out.is_file():
            out.write_bytes(content)
        else:
            write_bytes(Path(os.path.realpath(out)), content)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
