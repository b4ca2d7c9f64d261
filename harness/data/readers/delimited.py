"""Reads CSV, TSV and other text that is cut by a delimiter; values are the exact text."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.data.readers.cut import HEADER_RECORDS
from harness.data.readers.dialect import Dialect, find_dialect
from harness.data.readers.encodings import find_encoding
from harness.data.readers.escapes import doubled
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form
from harness.data.readers.header import find_header, folded
from harness.data.readers.hints import hint_of_separator, separator_in
from harness.data.readers.plain import MARK
from harness.data.readers.row_names import with_row_names
from harness.data.readers.rows import Table, Undecided, csv_reader
from harness.data.readers.signature import check_signature
from harness.errors import DataError

__all__ = ["DelimitedReader"]

#: So much text tells how a file is cut. Where a later line does not fit, all lines are asked.
SAMPLE_CHARS = 2**19
MAX_CELL_CHARS = 16 * 2**20
#: A cell of the line below the header in tables of Markdown and of databases' terminals.
_RULE = re.compile(r"\s*:?[-=]{3,}:?\s*")


@dataclass(frozen=True, slots=True)
class DelimitedReader:
    """Reads text tables; `delimiter` and `quoted` hold where a file's lines do not decide."""

    title: str
    delimiter: str
    quoted: bool

    def __call__(self, file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
        """Returns the columns `names` of a file, or all columns; see `Reader`."""
        csv.field_size_limit(MAX_CELL_CHARS)
        check_signature(file, self.title)
        encoding, notes = find_encoding(file, form.encoding)
        try:
            try:
                content = self._read(file, names, form, encoding, SAMPLE_CHARS)
            except Undecided:
                content = self._read(file, names, form, encoding, -1)
        except csv.Error as error:  # a cell that is too long; other mistakes are told with their line
            raise _too_long(file, encoding) from error
        return replace(content, notes=(*notes, *content.notes))

    def _read(
        self, file: TableFile, names: Sequence[str] | None, form: Form, encoding: str, sample_chars: int
    ) -> Content:
        with file.text(encoding) as stream:
            lines = [line.lstrip(MARK) for line in stream.readlines(sample_chars)]
            is_all = not stream.readline()
        form, num_above = _without_mark(lines, form)
        expected = form.expected if names is None else names
        dialect = find_dialect(file.place, lines, expected, form, Dialect(self.delimiter, self.quoted, 0))
        lines = [doubled(line) for line in lines] if dialect.escaped else lines
        first_rows = _first_rows(lines, dialect)
        if not first_rows:
            raise DataError(f"{file.place}: the file is empty; give a table with a header and rows")
        separator = separator_in(lines, dialect.delimiter)
        if not form.delimiter and dialect.delimiter in separator[1:-1]:
            raise DataError(f"{file.place}: {hint_of_separator(separator)}")
        header = find_header(file.place, first_rows, expected, form.header, dialect.width, separator)
        header = with_row_names(header, first_rows, dialect.width, lines)
        places = header.places(file.place, names, expected)
        table = Table(file.place, header, dialect, is_all, places, expected)
        has_returns = any(line.endswith("\r") for line in lines)
        columns = table.read(file, encoding, max(header.last, num_above), has_returns)
        repeated: list[str] = []
        if header.last:
            names_by_column = {name: header.columns[at] for name, at in places.items()}
            repeated = [*_without_rules(columns), *_without_headers(columns, names_by_column)]
        notes = (*dialect.notes, *header.number_notes(places), *header.row_notes(), *table.notes(), *repeated)
        said = (f"{file.name}: {note}" for note in notes)
        present = tuple(header.columns)
        return Content(columns, (*said, *header.notes), present if header.last else None, present=present)


def _too_long(file: TableFile, encoding: str) -> DataError:
    with file.text(encoding) as lines:
        line = next((number for number, line in enumerate(lines, start=1) if len(line) > MAX_CELL_CHARS), None)
    where = f"line {line}" if line else "the lines behind a double quote"
    return DataError(
        f"{file.place}: {where} would be a cell of more than {MAX_CELL_CHARS} characters; cut the text, close a double "
        "quote that is left open, or set data.quoting=none if quotes are plain text"
    )


def _without_mark(lines: list[str], form: Form) -> tuple[Form, int]:
    """Blanks a first line `sep=;`, and returns the form with this delimiter and the number of such lines."""
    if not lines or not lines[0].lower().startswith("sep=") or len(mark := lines[0][4:].rstrip("\r\n")) != 1:
        return form, 0
    lines[0] = "\n"
    return replace(form, delimiter=form.delimiter or mark), 1


def _without_rules(columns: dict[str, list[Any]]) -> list[str]:
    """Takes the line that a drawn table has below its header (`---`) out of the columns, and returns a note."""
    lists = list(columns.values())
    first = [values[0] for values in lists if values and values[0].strip()]
    if not first or not all(map(_RULE.fullmatch, first)):
        return []
    for values in lists:
        del values[0]
    return ["the line below the header draws a rule, and is left out"]


def _without_headers(columns: dict[str, list[Any]], header: dict[str, str]) -> list[str]:
    """Takes rows out of the columns that are the header again, as in files that were joined, and returns a note.

    Case and spaces at the ends of names do not count.
    """
    if len(header) < 2:
        return []
    (first, *others), lists = header, list(columns.values())
    cells = {name: folded(cell) for name, cell in header.items()}
    longest = 2 * len(header[first]) + 8
    repeated = {
        at
        for at, cell in enumerate(columns[first])
        if len(cell) <= longest  # much faster than to fold each text
        and folded(cell) == cells[first]
        and all(folded(columns[name][at]) == cells[name] for name in others)
    }
    if not repeated:
        return []
    kept = [at for at in range(len(lists[0])) if at not in repeated]
    for values in lists:
        values[:] = [values[at] for at in kept]
    return [f"{len(repeated)} rows are the header again, as where files were joined: they are left out"]


def _first_rows(lines: Sequence[str], dialect: Dialect) -> list[tuple[int, list[str]]]:
    """Returns the first rows, each with the line it ends on."""
    reader = csv_reader(lines, dialect, strict=False)
    rows = []
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append((reader.line_num, cells))
        if len(rows) == HEADER_RECORDS:
            break
    return rows
