"""Reads CSV, TSV and other text that is cut by a delimiter; values are the exact text."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TextIO

from harness.data.readers.cut import HEADER_RECORDS, is_spanning
from harness.data.readers.dialect import Dialect, find_dialect
from harness.data.readers.encoding import find_encoding
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form
from harness.data.readers.header import Header, find_header
from harness.data.readers.signature import check_signature
from harness.errors import DataError

__all__ = ["DelimitedReader"]

#: So much text tells how a file is cut. Where a later line does not fit, all lines are asked.
SAMPLE_CHARS = 2**19
MAX_CELL_CHARS = 16 * 2**20


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
            content = self._read(file, names, form, encoding, SAMPLE_CHARS)
        except _Undecided:
            content = self._read(file, names, form, encoding, -1)
        return Content(content.columns, (*notes, *content.notes))

    def _read(
        self, file: TableFile, names: Sequence[str] | None, form: Form, encoding: str, sample_chars: int
    ) -> Content:
        with file.text(encoding) as stream:
            lines = stream.readlines(sample_chars)
            is_all = not stream.readline()
        form, num_above = _without_mark(lines, form)
        expected = form.expected if names is None else names
        dialect = find_dialect(file.place, lines, expected, form, Dialect(self.delimiter, self.quoted, 0))
        first_rows = _first_rows(lines, dialect)
        if not first_rows:
            raise DataError(f"{file.place}: the file is empty; give a table with a header and rows")
        header = find_header(file.place, first_rows, expected, form.header, dialect.width)
        table = _Table(file.place, header, dialect, is_all, header.places(file.place, names))
        with file.text(encoding) as stream:
            columns = table.read(stream, max(header.last, num_above))
        said = (f"{file.name}: {note}" for note in (*dialect.notes, *table.notes()))
        return Content(columns, (*said, *header.notes))


class _Undecided(Exception):
    """A line does not fit what the first lines say of the file."""


def _without_mark(lines: list[str], form: Form) -> tuple[Form, int]:
    """Blanks a first line `sep=;`, and returns the form with this delimiter and the number of such lines."""
    if not lines or not lines[0].lower().startswith("sep=") or len(mark := lines[0][4:].rstrip("\r\n")) != 1:
        return form, 0
    lines[0] = "\n"
    return replace(form, delimiter=form.delimiter or mark), 1


def _csv_reader(lines: Sequence[str] | TextIO, dialect: Dialect, strict: bool = True) -> Any:
    if dialect.quoted:
        return csv.reader(lines, delimiter=dialect.delimiter, strict=strict)
    return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, strict=strict)


def _first_rows(lines: Sequence[str], dialect: Dialect) -> list[tuple[int, list[str]]]:
    """Returns the first rows, each with the line it ends on."""
    reader = _csv_reader(lines, dialect, strict=False)
    rows = []
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append((reader.line_num, cells))
        if len(rows) == HEADER_RECORDS:
            break
    return rows


class _Table:
    """The rows of a table: it checks their numbers of cells and collects the wanted columns.

    `is_all` says that the dialect was found from all lines, so that a line that does not fit is a mistake.
    """

    def __init__(self, place: str, header: Header, dialect: Dialect, is_all: bool, places: dict[str, int]) -> None:
        self._place, self._header, self._dialect, self._is_all, self._places = place, header, dialect, is_all, places
        self._width = len(header.columns)
        self._short: list[int] = []

    def read(self, stream: TextIO, num_above: int) -> dict[str, list[Any]]:
        """Returns the wanted columns of the rows below the first `num_above` lines."""
        for _ in range(num_above):
            stream.readline()
        columns: dict[str, list[Any]] = {name: [] for name in self._places}
        picked = [(columns[name].append, at) for name, at in self._places.items()]
        width, last, is_all = self._width, 0, self._is_all
        reader = _csv_reader(stream, self._dialect)
        try:
            for cells in reader:
                last, first = reader.line_num, last + 1
                if len(cells) != width and not self._fits(cells, num_above + first):
                    continue
                if last != first and not is_all and any(is_spanning(cell, self._dialect.delimiter) for cell in cells):
                    raise _Undecided
                for append, at in picked:
                    append(cells[at])
        except csv.Error as error:
            if not is_all:
                raise _Undecided from error
            lines = f"line {num_above + last + 1}" + f" to {num_above + reader.line_num}" * (reader.line_num > last + 1)
            raise DataError(f"{self._place}: {lines}: {error}; is a double quote left open?") from error
        return columns

    def notes(self) -> list[str]:
        """Returns a note where rows lack cells of columns that are not read."""
        if not self._short:
            return []
        return [f"{len(self._short)} rows have fewer cells than the header (first: line {self._short[0]}): those of "
                "columns that are not read are missing"]  # fmt: skip

    def _fits(self, cells: list[str], line: int) -> bool:
        """Says whether a row of another width is one, and not a blank line.

        Raises:
            DataError: a wanted cell is missing, or there are more cells than columns.
        """
        if not any(cell.strip() for cell in cells):
            return False
        if not self._is_all:
            raise _Undecided
        where = f"{self._place}: line {line}: {len(cells)} fields where the header has {self._width}"
        missing = next((name for name, at in self._places.items() if at >= len(cells)), None)
        if missing is not None:
            raise DataError(f"{where}: none for '{missing}'; is a delimiter missing, or is the line cut off?")
        if any(cell.strip() for cell in cells[self._width :]):
            raise DataError(
                f'{where}; put a text that holds the delimiter or a quote in double quotes, and write " inside it as ""'
            )
        if len(cells) < self._width:
            self._short.append(line)
        return True
