"""Finds rows that stray double quotes have made one: `"a` in one row and `b"` in a later one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.data.readers.cut import Cut, Spanning, is_spanning

__all__ = ["count_swallowed"]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")


class _Column:
    """The cells that a column usually has: one of a few values, or a number."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.values = set(cells)
        self.is_number = all(_NUMBER.fullmatch(cell) for cell in cells)
        self.tells = bool(cells) and (self.is_number or len(self.values) * 2 <= len(cells))

    def has(self, cell: str) -> bool:
        return cell in self.values or (self.is_number and _NUMBER.fullmatch(cell) is not None)


def count_swallowed(lines: Sequence[str], quoted: Cut) -> list[Spanning]:
    """Returns the records of several lines in which the lines look like rows of the table.

    A line looks like a row where its cells beside the text are values which their columns have in other rows. Where no
    column tells values from text, a line looks like a row when it has as many cells as a row.
    """
    rows = [row for row in quoted.rows[1:] if len(row) == quoted.width]
    columns = [
        _Column([row[at] for row in rows if not is_spanning(row[at], quoted.delimiter)]) for at in range(quoted.width)
    ]
    return [record for record in quoted.spanning if _is_rows(lines, record, quoted, columns)]


def _is_rows(lines: Sequence[str], record: Spanning, quoted: Cut, columns: Sequence[_Column]) -> bool:
    width = quoted.width
    parts = [line.rstrip("\r\n").split(quoted.delimiter) for line in lines[record.first - 1 : record.last]]
    if len(record.cells) != width:
        return all(len(cells) == width for cells in parts)
    text = next(at for at, cell in enumerate(record.cells) if is_spanning(cell, quoted.delimiter))
    before = [at for at in range(text) if columns[at].tells]
    after = [at - width for at in range(text + 1, width) if columns[at].tells]
    if not before and not after:
        return all(len(cells) == width for cells in parts)
    checked = [(cells, after) for cells in parts[:-1] if after] + [(cells, before) for cells in parts[1:] if before]
    fitting = sum(len(cells) >= width and all(columns[at].has(cells[at]) for at in ats) for cells, ats in checked)
    return fitting * 2 >= len(checked)
