"""Reads the rows of a table that is cut by a delimiter, below its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TextIO

from harness.data.readers.cut import is_spanning
from harness.data.readers.dialect import Dialect
from harness.data.readers.escapes import ESCAPED_QUOTE, doubled, has_escaped_quote
from harness.data.readers.file import TableFile
from harness.data.readers.header import Header
from harness.data.readers.hints import hint_of_cells
from harness.data.readers.plain import MARK, Block, blocks, text_lines
from harness.errors import DataError

__all__ = ["Table", "Undecided", "csv_reader"]


#: What databases' terminals draw between the header and the rows of a table.
_RULE = re.compile(r"[-+= ]*-{3}[-+= ]*")


class Undecided(Exception):
    """A line does not fit what the first lines say of the file."""


def csv_reader(lines: Iterable[str], dialect: Dialect, strict: bool = True) -> Any:
    """Returns csv's reader of lines."""
    if dialect.quoted:
        return csv.reader(lines, delimiter=dialect.delimiter, strict=strict)
    return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, strict=strict)


class Table:
    """The rows of a table: it checks their numbers of cells and collects the wanted columns.

    `is_all` says that the dialect was found from all lines, so that a line that does not fit is a mistake. `places` are
    those of the wanted columns; a row may lack the cells of all but the columns `required`.
    """

    def __init__(
        self,
        place: str,
        header: Header,
        dialect: Dialect,
        is_all: bool,
        places: dict[str, int],
        required: Collection[str],
    ) -> None:
        self._place, self._header, self._dialect, self._is_all, self._places = place, header, dialect, is_all, places
        self._required = [(name, at) for name, at in places.items() if name in required]
        self._may_be_escaped = not is_all and dialect.quoted and not dialect.escaped
        self._may_be_quoted = not is_all and not dialect.is_told
        self._width = len(header.columns)
        self._usual = "the header has" if header.last else "most lines have"
        named = [at for at, name in enumerate(header.columns) if name.strip()]
        self._unnamed = range(max(named, default=self._width) + 1, self._width)
        self._num_unnamed = 0
        self._short: list[int] = []
        self._spanning: list[int] = []

    def read(self, file: TableFile, encoding: str, num_above: int, has_returns: bool) -> dict[str, list[Any]]:
        """Returns the wanted columns of the rows below the first `num_above` lines.

        `has_returns` says that a carriage return alone ends lines, as on old Macs.
        """
        columns: dict[str, list[Any]] = {name: [] for name in self._places}
        is_utf8 = encoding == "utf-8" or (encoding == "utf-8-sig" and num_above)  # its mark leaves with the header
        with file.text(encoding) as lines:
            if is_utf8 and not has_returns and self._dialect.delimiter.isascii() and columns:
                for _ in range(num_above):
                    lines.buffer.readline()
                self._read_blocks(lines, num_above, columns)
            else:
                for _ in range(num_above):
                    lines.readline()
                self._read_lines(self._doubled(lines), num_above, columns)
        return columns

    def _doubled(self, lines: Iterable[str]) -> Iterable[str]:
        """Returns the lines with doubled quotes for those that a backslash escapes, if it does; without marks."""
        lines = (line.lstrip(MARK) if line.startswith(MARK) else line for line in lines)
        if self._dialect.escaped:
            return map(doubled, lines)
        return self._watched(lines) if self._may_be_escaped else lines

    def _watched(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if ESCAPED_QUOTE in line:
                raise Undecided
            yield line

    def _read_blocks(self, lines: TextIO, num_above: int, columns: Mapping[str, list[Any]]) -> None:
        """Adds the cells of lines in UTF-8, below `num_above`, to the columns."""
        for block in blocks(lines.buffer, self._dialect):
            if self._may_be_quoted and block.opens_a_cell():
                raise Undecided
            if self._may_be_escaped and has_escaped_quote(block.content):
                raise Undecided
            if not block.is_whole():
                self._read_lines(chain(text_lines(block.content), self._doubled(lines)), num_above, columns)
                return
            if (cells := block.columns(self._width, [*self._places.values(), *self._unnamed])) is None:
                num_above = self._read_lines(text_lines(block.content), num_above, columns)
            else:
                self._check_line_breaks(block, num_above, len(cells[0]))
                for values, more in zip(columns.values(), cells, strict=False):
                    values += more
                behind = zip(*cells[len(columns) :], strict=True)
                self._num_unnamed += sum(any(map(str.strip, row)) for row in behind)
                num_above += block.num_lines

    def _check_line_breaks(self, block: Block, num_above: int, num_rows: int) -> None:
        """Counts the cells with a line break and the delimiter; their lines must not look like rows."""
        if num_rows == block.num_lines or not (spanning := block.spanning(self._width)):
            return
        if not self._is_all and block.holds_rows_in_texts(self._width, spanning):
            raise Undecided
        self._spanning += [num_above + record.first for record, _ in spanning]

    def _read_lines(self, lines: Iterable[str], num_above: int, columns: Mapping[str, list[Any]]) -> int:
        """Adds the cells of the lines below `num_above` to the columns, and returns the number of the last line."""
        picked = [(columns[name].append, at) for name, at in self._places.items()]
        width, last = self._width, 0
        reader = csv_reader(lines, self._dialect)
        try:
            for cells in reader:
                last, first = reader.line_num, last + 1
                if len(cells) != width:
                    if not self._fits(cells, num_above + first):
                        continue
                    cells += [""] * (width - len(cells))
                if last != first and any(is_spanning(cell, self._dialect.delimiter) for cell in cells):
                    if not self._is_all:
                        raise Undecided
                    self._spanning.append(num_above + first)
                if self._may_be_quoted and any(cell.startswith('"') for cell in cells):
                    raise Undecided
                for append, at in picked:
                    append(cells[at])
                if self._unnamed and any(cell.strip() for cell in cells[self._unnamed.start :]):
                    self._num_unnamed += 1
        except csv.Error as error:
            if not self._is_all:
                raise Undecided from error
            where = f"line {num_above + last + 1}" + f" to {num_above + reader.line_num}" * (reader.line_num > last + 1)
            raise DataError(f"{self._place}: {where}: {error}; is a double quote left open?") from error
        return num_above + int(reader.line_num)

    def notes(self) -> list[str]:
        """Returns notes on cells with line breaks, and on rows that lack cells of columns that are not read."""
        notes = []
        if self._spanning:
            first = f"first: line {self._spanning[0]}"
            notes.append(f"{len(self._spanning)} cells hold a line break and the delimiter ({first})")
        if self._short:
            first = f"first: line {self._short[0]}"
            notes.append(
                f"{len(self._short)} rows have fewer cells than the header ({first}): cells of other columns are "
                "missing"
            )
        if self._num_unnamed:
            notes.append(
                f"{self._num_unnamed} rows have text behind the last column that has a name, which is left out; a text "
                "that holds the delimiter belongs in double quotes"
            )
        return notes

    def _fits(self, cells: list[str], line: int) -> bool:
        """Says whether a row of another width is one, and neither a blank line nor a rule of a drawn table.

        Raises:
            DataError: a wanted cell is missing, or there are more cells than columns.
        """
        if not any(cell.strip() for cell in cells) or _RULE.fullmatch("".join(cells)):
            return False
        if not self._is_all:
            raise Undecided
        where = f"{self._place}: line {line}: {len(cells)} fields where {self._usual} {self._width}"
        missing = next((name for name, at in self._required if at >= len(cells)), None)
        if missing is not None:
            raise DataError(f"{where}: none for '{missing}'; is a delimiter missing, or is the line cut off?")
        if len(cells) > self._width and any(cell.strip() for cell in cells[self._unnamed.start :]):
            raise DataError(f"{where}; {hint_of_cells(cells)}")
        if len(cells) < self._width and not self._header.last:
            raise DataError(f"{where}; {hint_of_cells(cells)}; is it the header, set data.header={line}")
        if len(cells) < self._width:
            self._short.append(line)
        return True
