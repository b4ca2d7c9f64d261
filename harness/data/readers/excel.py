"""Reads an Excel workbook: its first sheet that has the wanted columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.data.readers.cut import HEADER_RECORDS
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form
from harness.data.readers.header import find_header
from harness.data.readers.signature import check_signature
from harness.errors import DataError, MissingColumn, MissingPackage

__all__ = ["read_excel"]

#: What a formula without a value shows.
_ERRORS = frozenset(["#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"])


def read_excel(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns the columns `names` of a file, or all columns; see `Reader`."""
    check_signature(file, "Excel", (b"PK\x03\x04",))
    try:
        import openpyxl
    except ImportError as error:
        raise MissingPackage(
            f"{file.place}: an Excel workbook needs the package openpyxl: pip install 'finetune-harness[xlsx]'; "
            "or save the sheet as .csv"
        ) from error
    with file.seekable() as stream:
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            sheets = [(sheet.title, _cells(sheet)) for sheet in book.worksheets]
        except Exception as error:  # the library raises anything from KeyError to its XML parser's errors
            raise DataError(f"{file.place}: cannot be read as an Excel workbook ({error})") from error
    tables = [(title, rows) for title, cells in sheets if (rows := _rows(cells))]
    if not tables:
        raise DataError(f"{file.place}: the file is empty; give a table with a header and rows")
    errors = []
    for title, rows in tables:
        try:
            columns, notes = _read(file.place, rows, names, form)
        except MissingColumn as error:
            errors.append(error)
            continue
        said = (f"{file.name}: of {len(sheets)} sheets '{title}' is read",) if len(sheets) > 1 else ()
        return Content(columns, (*said, *notes))
    raise errors[0]


def _cells(sheet: Any) -> list[Sequence[Any]]:
    """Returns all rows of a sheet; the size that the file gives for it may be smaller."""
    sheet.reset_dimensions()
    return list(sheet.iter_rows(values_only=True))


def _rows(cells: Iterable[Sequence[Any]]) -> list[tuple[int, list[Any]]]:
    """Returns the rows that are not empty, and their numbers; the errors of formulas are missing values."""
    rows = ((number, [None if cell in _ERRORS else cell for cell in row]) for number, row in enumerate(cells, start=1))
    return [(number, row) for number, row in rows if any(cell not in (None, "") for cell in row)]


def _read(
    place: str, rows: Sequence[tuple[int, list[Any]]], names: Sequence[str] | None, form: Form
) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """Returns the columns of a sheet, and notes on its header."""
    texts = [(number, ["" if cell is None else str(cell) for cell in cells]) for number, cells in rows[:HEADER_RECORDS]]
    expected = form.expected if names is None else names
    header = find_header(place, texts, expected, form.header, max(len(cells) for _, cells in rows))
    below = [cells for number, cells in rows if number > header.last]
    columns = {
        name: [cells[at] if at < len(cells) else None for cells in below]
        for name, at in header.places(place, names, expected).items()
    }
    return columns, header.notes
