"""Finds rows that stray double quotes have made one: `"a` in one row and `b"` in a later one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.data.readers.cut import Cut, Spanning, is_spanning

__all__ = ["find_swallowed"]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")


class _Column:
    """The cells that a column usually has: one of a few values, or a number."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.values = set(cells)
        self.is_number = all(_NUMBER.fullmatch(cell) for cell in cells)
        self.tells = bool(cells) and (self.is_number or len(self.values) * 2 <= len(cells))

    def has(self, cell: str) -> bool:
        return cell in self.values or (self.is_number and _NUMBER.fullmatch(cell) is not None)


def find_swallowed(lines: Sequence[str], quoted: Cut) -> tuple[list[Spanning], bool]:
    """Returns the records of several lines in which the lines look like rows of the table, and whether that is sure.

    A line looks like a row where its cells beside the text are values which their columns have in other rows. Where no
    column tells values from text, a line looks like a row when it has as many cells as a row, which is not sure.
    """
    width = quoted.width
    rows = [row for row in quoted.rows[1:] if len(row) == width]
    columns = [_Column([row[at] for row in rows if not is_spanning(row[at], quoted.delimiter)]) for at in range(width)]
    swallowed, sure = [], True
    for record in quoted.spanning:
        parts = [line.rstrip("\r\n").split(quoted.delimiter) for line in lines[record.first - 1 : record.last]]
        checked = _cells_beside_text(record, parts, columns, quoted.delimiter)
        if checked:
            looks_like_rows = sum(checked) * 2 >= len(checked)
        else:
            looks_like_rows = all(len(cells) == width for cells in parts)
            sure = sure and not looks_like_rows
        if looks_like_rows:
            swallowed.append(record)
    return swallowed, sure


def _cells_beside_text(
    record: Spanning, parts: Sequence[list[str]], columns: Sequence[_Column], delimiter: str
) -> list[bool]:
    """Says of each line but the text's last whether its cells behind the text are values of their columns.

    The same is said of each line but the text's first and the cells before it. Empty where no column tells.
    """
    width = len(columns)
    if len(record.cells) != width:
        return []
    text = next(at for at, cell in enumerate(record.cells) if is_spanning(cell, delimiter))
    before = [at for at in range(text) if columns[at].tells]
    after = [at - width for at in range(text + 1, width) if columns[at].tells]
    checked = [(cells, after) for cells in parts[:-1] if after] + [(cells, before) for cells in parts[1:] if before]
    return [len(cells) >= width and all(columns[at].has(cells[at]) for at in ats) for cells, ats in checked]
