"""Reads the first sheet of an Excel workbook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.data.readers.cut import HEADER_RECORDS
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form
from harness.data.readers.header import find_header
from harness.data.readers.signature import check_signature
from harness.errors import DataError, MissingPackage

__all__ = ["read_excel"]


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
            sheet, *others = book.worksheets
            rows = [(number, list(row)) for number, row in enumerate(sheet.iter_rows(values_only=True), start=1)]
        except Exception as error:  # the library raises anything from KeyError to its XML parser's errors
            raise DataError(f"{file.place}: cannot be read as an Excel workbook ({error})") from error
    notes = [f"{file.name}: the first sheet, '{sheet.title}', is read, of {len(others) + 1}"] if others else []
    rows = [(number, cells) for number, cells in rows if any(cell not in (None, "") for cell in cells)]
    if not rows:
        raise DataError(f"{file.place}: the file is empty; give a table with a header and rows")
    texts = [(number, ["" if cell is None else str(cell) for cell in cells]) for number, cells in rows[:HEADER_RECORDS]]
    header = find_header(
        file.place, texts, form.expected if names is None else names, form.header, max(len(cells) for _, cells in rows)
    )
    places = header.places(file.place, names)
    below = [cells for number, cells in rows if number > header.last]
    columns: dict[str, list[Any]] = {
        name: [cells[at] if at < len(cells) else None for cells in below] for name, at in places.items()
    }
    return Content(columns, (*notes, *header.notes))
