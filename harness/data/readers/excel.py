"""Reads an Excel workbook: its first sheet that has the wanted columns, a hidden one only where no other has rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

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
        import openpyxl  # noqa: F401
    except ImportError as error:
        raise MissingPackage(
            f"{file.place}: an Excel workbook needs the package openpyxl: pip install 'finetune-harness[xlsx]'; "
            "or save the sheet as .csv"
        ) from error
    with file.seekable() as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and extensions, which say nothing of the cells
                found = _sheets(stream, data_only=True)
                hidden = {sheet.title for sheet in found if sheet.sheet_state != "visible"}
                sheets = [(sheet.title, _cells(sheet)) for sheet in found]
        except Exception as error:  # the library raises anything from KeyError to its XML parser's errors
            raise DataError(f"{file.place}: cannot be read as an Excel workbook ({error})") from error
    tables = [(title, rows) for title, cells in sheets if (rows := _rows(cells))]
    if not tables:
        raise DataError(f"{file.place}: the file is empty; give a table with a header and rows")
    visible = [(title, rows) for title, rows in tables if title not in hidden]
    passed = [title for title, _ in tables if title in hidden] if visible else []
    tables = visible or tables
    errors = []
    for title, rows in tables:
        try:
            columns, notes, present = _read(file.place, rows, names, form)
        except MissingColumn as error:
            errors.append(error)
            continue
        empty = [name for name, values in columns.items() if names and values and not any(map(_is_filled, values))]
        if empty and _has_formulas(file, title):
            raise DataError(
                f"{file.place}: column '{empty[0]}' is empty, and the sheet has formulas whose values were not saved; "
                "open it in a spreadsheet program and save it"
            )
        why = "" if visible else ", which is hidden: no other has rows"
        read = f"{file.name}: of {len(sheets)} sheets '{title}' is read{why}{_of_hidden(passed)}"
        said = (read,) if len(sheets) > 1 else ()
        return Content(columns, (*said, *notes), present=present)
    first = errors[0]
    if not passed:
        raise first
    remedy = f"name it with data.text= or data.label=, or unhide the sheet that has it{_of_hidden(passed)}"
    raise MissingColumn(first.column, first.what, remedy, first.present)


def _of_hidden(titles: Sequence[str]) -> str:
    """Returns which hidden sheets with rows are passed over; "" for none."""
    listed = ", ".join(f"'{title}'" for title in titles)
    return f"; hidden ones are passed over: {listed}" if titles else ""


def _is_filled(cell: Any) -> bool:
    return cell not in (None, "")


def _has_formulas(file: TableFile, title: str) -> bool:
    with file.seekable() as stream:
        sheet = next(sheet for sheet in _sheets(stream, data_only=False) if sheet.title == title)
        return any(isinstance(cell, str) and cell.startswith("=") for row in _cells(sheet) for cell in row)


def _sheets(stream: BinaryIO, *, data_only: bool) -> list[Any]:
    """Returns the sheets of a workbook that have cells, without those of a chart."""
    from openpyxl.reader.excel import ExcelReader

    class Reader(ExcelReader):  # type: ignore[misc]
        def read_chartsheet(self, sheet: Any, rel: Any) -> None:
            pass

    reader = Reader(stream, read_only=True, data_only=data_only)
    reader.read()
    return list(reader.wb.worksheets)


def _cells(sheet: Any) -> list[Sequence[Any]]:
    """Returns all rows of a sheet; the size that the file gives for it may be smaller."""
    sheet.reset_dimensions()
    return list(sheet.iter_rows(values_only=True))


def _rows(cells: Iterable[Sequence[Any]]) -> list[tuple[int, list[Any]]]:
    """Returns the rows that are not empty, and their numbers; the errors of formulas are missing values."""
    rows = ((number, [None if cell in _ERRORS else cell for cell in row]) for number, row in enumerate(cells, start=1))
    return [(number, row) for number, row in rows if any(map(_is_filled, row))]


def _read(
    place: str, rows: Sequence[tuple[int, list[Any]]], names: Sequence[str] | None, form: Form
) -> tuple[dict[str, list[Any]], tuple[str, ...], tuple[str, ...]]:
    """Returns the columns of a sheet, notes on its header, and the names in it."""
    texts = [(number, ["" if cell is None else str(cell) for cell in cells]) for number, cells in rows[:HEADER_RECORDS]]
    expected = form.expected if names is None else names
    header = find_header(place, texts, expected, form.header, max(len(cells) for _, cells in rows))
    below = [cells for number, cells in rows if number > header.last]
    columns = {
        name: [cells[at] if at < len(cells) else None for cells in below]
        for name, at in header.places(place, names, expected).items()
    }
    return columns, header.notes, tuple(header.columns)
