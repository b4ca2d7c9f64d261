"""Finds rows that stray double quotes have made one: `"a` in one row and `b"` in a later one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.data.readers.cut import Spanning, is_spanning

__all__ = ["find_swallowed"]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
#: Values that no other row has are those of rows when there are so many of them, each twice or more on average.
_MIN_OWN_VALUES = 4
#: A cell that begins with a space begins a clause, not a cell, where no more than this share of its column does.
_MAX_SPACED = 0.05


class _Column:
    """The cells that a column has in rows outside the records in doubt, as they stand in the file, quotes included."""

    def __init__(self, cells: Sequence[str]) -> None:
        filled = [cell for cell in cells if cell.strip()]
        self._values = set(filled)
        bare = [cell.strip('"') for cell in filled]
        self._is_number = bool(filled) and all(_NUMBER.fullmatch(cell) for cell in bare)
        self.is_spaced = sum(cell[:1].isspace() for cell in filled) > _MAX_SPACED * len(filled)
        self._in_quotes = {cell.startswith('"') for cell in filled}
        self._repeats = _repeat(filled)
        self._range = (min(map(float, bare)), max(map(float, bare))) if self._is_number else (0.0, 0.0)
        self.tells = self._is_number or self._repeats

    def has(self, cell: str) -> bool:
        """True for a value of the column or, where it measures rather than names, for a number in its range."""
        if cell in self._values:
            return True
        measures = self._is_number and not self._repeats and self.may_have(cell)
        return measures and self._range[0] <= float(cell.strip('"')) <= self._range[1]

    def may_have(self, cell: str) -> bool:
        """True for a cell of the form that the column's cells have."""
        is_alike = cell.startswith('"') in self._in_quotes and (self.is_spaced or not cell[:1].isspace())
        return is_alike and (not self._is_number or _NUMBER.fullmatch(cell.strip('"')) is not None)


class _Rows:
    """The columns of the rows, by their place from the left or (negative) from the right."""

    def __init__(self, rows: Sequence[list[str]], ends: Sequence[tuple[list[str], list[str]]], width: int) -> None:
        self._rows = [row for row in rows if len(row) >= width]
        self._ends = [both for both in ends if min(map(len, both)) >= width]
        self._columns: dict[int, _Column] = {}
        self._telling: dict[int, tuple[list[int], list[int]]] = {}
        self.width = width

    def __len__(self) -> int:
        return len(self._rows)

    def column(self, at: int) -> _Column:
        """Returns a column, to which the last cells of the last line and the first of the first line belong too."""
        if at not in self._columns:
            ends = [last[at] if at < 0 else first[at] for first, last in self._ends]
            self._columns[at] = _Column([row[at] for row in self._rows] + ends)
        return self._columns[at]

    def telling(self, text: int) -> tuple[list[int], list[int]]:
        """Returns the places of the columns that tell rows: before a text's, from the left, and behind it, negative."""
        if text not in self._telling:
            before = [at for at in range(text) if self.column(at).tells]
            after = [at - self.width for at in range(text + 1, self.width) if self.column(at - self.width).tells]
            self._telling[text] = before, after
        return self._telling[text]

    def starts_within(self, cells: list[str], is_first: bool) -> bool:
        """True when a cell of a line begins with a space, as a clause does and the column's cells do not."""
        if len(cells) == self.width:
            for at, cell in enumerate(cells):
                is_spaced = cell[:1].isspace() and (at > 0 or not is_first) and cell.strip()
                if is_spaced and not self.column(at - self.width if at else 0).is_spaced:
                    return True
        return False


def find_swallowed(
    records: Sequence[tuple[Spanning, Sequence[str]]], others: Sequence[str], width: int, delimiter: str
) -> tuple[list[Spanning], bool]:
    """Returns the records of several lines in which the lines look like rows, and whether their values say so.

    A line looks like a row where its cells beside the text are values which their columns have in other rows. Where no
    column tells values from text, a line looks like a row when it has as many cells as a row. Values that no other row
    has, but which come again and again in such lines, may be those of rows too.

    Args:
        records: the records, each with its lines.
        others: lines outside the records, without the header.
        width: the usual number of cells.
        delimiter: the sign between cells.
    """
    ends = [(_cells(lines[0], delimiter), _cells(lines[-1], delimiter)) for _, lines in records]
    rows = _Rows([_cells(line, delimiter) for line in others], ends, width)
    swallowed, own, own_values, by_values = [], [], [], True
    for record, lines in records:
        checked = _beside_text(record, lines, rows, delimiter)
        if checked is None:
            parts = [_cells(line, delimiter) for line in lines]
            pieces = [rows.starts_within(cells, at == 0) for at, cells in enumerate(parts)]
            looks_like_rows = all(len(cells) == width for cells in parts) and not any(pieces)
            by_values = by_values and not looks_like_rows
        else:
            unknown = [values for values, is_known, _ in checked if not is_known]
            looks_like_rows = len(checked) > 0 and len(unknown) * 2 <= len(checked)
            if unknown and not looks_like_rows and all(may_be for _, _, may_be in checked):
                own.append(record)
                own_values += unknown
        if looks_like_rows:
            swallowed.append(record)
    if len(own_values) >= _MIN_OWN_VALUES and (_repeat(own_values) or len(rows) < len(own_values)):
        return sorted([*swallowed, *own], key=lambda record: record.first), False
    return swallowed, by_values


def _cells(line: str, delimiter: str) -> list[str]:
    return line.rstrip("\r\n").split(delimiter)


def _beside_text(
    record: Spanning, lines: Sequence[str], rows: _Rows, delimiter: str
) -> list[tuple[tuple[str, ...], bool, bool]] | None:
    """Returns the cells behind the text of each line but its last, and those before it of each line but its first.

    Each comes with whether they are values of their columns, and whether they may be. None where no column tells.
    Lines whose cells are empty say nothing.
    """
    if len(record.cells) != rows.width:
        return None
    before, after = rows.telling(next(at for at, cell in enumerate(record.cells) if is_spanning(cell, delimiter)))
    if not before and not after:
        return None
    checked: list[tuple[tuple[str, ...], bool, bool]] = []
    last = len(lines) - 1
    for number, line in enumerate(lines):
        places = [after] * (bool(after) and number < last) + [before] * (bool(before) and number > 0)
        if not places:
            continue
        if line.count(delimiter) < rows.width - 1 or rows.starts_within(cells := _cells(line, delimiter), number == 0):
            checked += [((), False, False)] * len(places)
            continue
        for telling in places:
            values = tuple(cells[at] for at in telling)
            if any(map(str.strip, values)):
                is_known = all(rows.column(at).has(cells[at]) for at in telling)
                checked.append((values, is_known, all(rows.column(at).may_have(cells[at]) for at in telling)))
    return checked


def _repeat(values: Sequence[object]) -> bool:
    return bool(values) and len(set(values)) * 2 <= len(values)
