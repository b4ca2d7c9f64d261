"""Finds the header of a table among its first rows, and the places of the wanted columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Literal

from harness.data.readers.form import require_columns
from harness.data.readers.hints import hint_of_numbers, hint_of_separator
from harness.errors import DataError, look_up

__all__ = ["Header", "find_header", "folded", "is_number"]

#: The line of the header, by the names of data.header.
WORDS = {"none": 0}
#: Signs that are not seen, and in no name.
_HIDDEN = re.compile("[\u200b-\u200f\u2060\ufeff\xad]")
#: A cell of so many words is no name.
_MIN_WORDS_OF_TEXT = 6


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a table; the rows up to line `last` are the header and what stands above it (0: no such row).

    `by_number` says how columns are named by number where the header looks like a row of values, `separator` which
    signs seem to separate the cells, `has_row_names` that the first cell of the rows has no name.
    """

    columns: list[str]
    last: int
    notes: tuple[str, ...] = ()
    by_number: str = ""
    separator: str = ""
    has_row_names: bool = False

    def places(self, place: str, names: Sequence[str] | None, expected: Sequence[str]) -> dict[str, int]:
        """Returns the place of each wanted column, by its name or else its number from 1; of all where `names` is None.

        Raises:
            DataError: there is no such column, or there are two.
        """
        for name in expected if names is None else names:
            if self.columns.count(name) > 1:
                raise DataError(f"{place}: column '{name}' occurs twice in the header; rename one of them")
        if names is None:
            return self._all_places()
        places = {}
        for name in names:
            if name in self.columns:
                places[name] = self.columns.index(name)
            elif name.isdecimal() and 1 <= int(name) <= len(self.columns):
                places[name] = int(name) - 1
            else:
                require_columns(place, [name], [column for column in self.columns if column], self._hint())
        self._check_numbers(place, places)
        return places

    def _check_numbers(self, place: str, places: Mapping[str, int]) -> None:
        """Refuses two numbers that are one column: one by its place, the other by its name.

        Raises:
            DataError: there are such numbers.
        """
        by_place: dict[int, str] = {}
        for name, at in places.items():
            if name.isdecimal() and (other := by_place.setdefault(at, name)) != name:
                raise DataError(
                    f"{place}: '{other}' and '{name}' are one column: column {at + 1} is named '{self.columns[at]}'; "
                    "give the columns by the names in the header, or set data.header=none to count them from 1"
                )

    def number_notes(self, places: Mapping[str, int]) -> list[str]:
        """Returns a note on each number that is the name of a column in another place."""
        return [
            f"'{name}' is the column of that name, which is column {at + 1} of the table"
            for name, at in places.items()
            if self.last and name.isdecimal() and int(name) != at + 1
        ]

    def row_notes(self) -> list[str]:
        """Returns a note on a column of row numbers without a name."""
        return (
            ["the first cell of each row is its name or number, which the header does not name"]
            if self.has_row_names
            else []
        )

    def _all_places(self) -> dict[str, int]:
        """Returns the place of each column; of two with one name the second is `name_2`.

        Only the first may have no name, as pandas writes its index: others come from a delimiter at the end of lines.
        """
        places: dict[str, int] = {}
        for at, name in enumerate(self.columns):
            if name or at == 0:
                numbered = (f"{name}_{number}" for number in count(2))
                places[next(free for free in chain([name], numbered) if free not in places)] = at
        return places

    def _hint(self) -> str:
        if self.separator:
            return hint_of_separator(self.separator)
        if len(self.columns) == 1 and not self.columns[0].isalnum():
            return "name it with data.text=; if the line is several columns, name the sign between with data.delimiter="
        return self.by_number


def find_header(
    place: str,
    rows: Sequence[tuple[int, Sequence[str]]],
    names: Sequence[str],
    given: int | Literal["none"] | None,
    width: int,
    separator: str = "",
) -> Header:
    """Returns the header: the first row with all wanted columns, else the first row of the usual width.

    Args:
        place: the file, for messages.
        rows: the first rows, each with the line it ends on.
        names: the columns that it is expected to have.
        given: what the study says.
        width: the usual number of cells.
        separator: several signs that seem to separate the cells, for messages.

    Raises:
        DataError: the line that the study gives is no row.
    """
    name = place.rpartition("/")[2]
    by_number = hint_of_numbers([cells for _, cells in rows], width)
    if isinstance(given, str):
        last = look_up(WORDS, given, "data.header")
        return Header(_numbers(width), last, by_number=by_number, separator=separator)
    if given is not None:
        if given not in (lines := dict(rows)):
            raise DataError(f"{place}: data.header is {given}, and no row ends on that line; the first is {rows[0][0]}")
        return Header(list(lines[given]), given, separator=separator)
    wanted = set(names)
    # Numbers name columns by their place, and occur in rows of values too: of these only the first may be the header.
    candidates = rows[:1] if all(column.isdecimal() for column in wanted) else rows
    whole = next((row for row in candidates if wanted <= set(row[1])), None) if wanted else None
    first = next((row for row in rows if len(row[1]) == width), rows[0])
    may_be_values = whole is None and _looks_like_values(first, rows)
    if may_be_values and 1 < len(rows[0][1]) < width and not _looks_like_values(rows[0], rows):
        first, may_be_values = rows[0], False  # a header above texts that hold the delimiter without quotes
    if may_be_values and wanted and all(column.isdecimal() for column in wanted):
        note = f"{name}: no header, line {first[0]} is a row (data.header)"
        return Header(_numbers(width), 0, (note,), by_number, separator)
    line, cells = whole or first
    above = sum(row[0] < line for row in rows)
    notes = []
    if above or (whole is None and wanted):
        left_out = f", {above} rows above it are left out" if above else ""
        notes.append(f"{name}: line {line} is the header{left_out} (data.header)")
    holds_texts = any(len(cell.split()) >= _MIN_WORDS_OF_TEXT for cell in cells)
    hint = by_number if whole is None and (may_be_values or holds_texts) else ""
    return Header(list(cells), line, tuple(notes), hint, separator)


def _numbers(width: int) -> list[str]:
    return [str(number) for number in range(1, width + 1)]


def _looks_like_values(row: tuple[int, Sequence[str]], rows: Sequence[tuple[int, Sequence[str]]]) -> bool:
    """True when a cell of the row is a value of its column further down, or a number above numbers."""
    names = [folded(cell) for cell in row[1]]  # a header that comes again says nothing of the values
    below = [cells for line, cells in rows if line > row[0] and [folded(cell) for cell in cells] != names]
    for at, cell in enumerate(row[1]):
        others = [cells[at].strip() for cells in below if at < len(cells)]
        if cell.strip() and others and (cell.strip() in others or all(map(is_number, [cell, *others]))):
            return True
    return False


def folded(name: str) -> str:
    """Returns the form in which two names of columns are the same: one case, single spaces, no signs that hide."""
    return " ".join(_HIDDEN.sub("", name).split()).casefold()


def is_number(cell: str) -> bool:
    """True for a cell that is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
