"""Cuts lines into records by one delimiter, with and without quoting, and counts what does not fit."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["QUOTED_WORDS", "Cut", "Spanning", "cut_plain", "cut_quoted", "header_candidates", "is_spanning"]

#: The header is looked for in this many records.
HEADER_RECORDS = 30
#: A header as R's write.table has it: names in quotes, with spaces between.
QUOTED_WORDS = re.compile(r'"[^"]*"(?: "[^"]*")+\s*$')


@dataclass(frozen=True, slots=True)
class Spanning:
    """A record of several lines, `first` to `last` (from 1), with a cell that holds a line break and the delimiter."""

    first: int
    last: int
    cells: list[str]


@dataclass(slots=True)
class Cut:
    """Lines cut by `delimiter`: how many of them are in records of each width, and in records that break the rules."""

    delimiter: str
    lines_by_width: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    rows: list[list[str]] = field(default_factory=list)
    spanning: list[Spanning] = field(default_factory=list)

    @property
    def width(self) -> int:
        """The number of cells of most records."""
        return max(self.lines_by_width, key=lambda width: (self.lines_by_width[width], width), default=0)

    @property
    def misfits(self) -> int:
        """The number of lines that are not in a record of the usual width."""
        return self.broken + sum(self.lines_by_width.values()) - self.lines_by_width[self.width]


def cut_plain(lines: Sequence[str], delimiter: str) -> Cut:
    """Counts the cells of each line, with quotes as plain text."""
    return Cut(delimiter, Counter(line.count(delimiter) + 1 for line in lines if line.strip()))


def cut_quoted(lines: Sequence[str], delimiter: str) -> Cut:
    """Cuts lines by the rules of quoting: a cell in double quotes may hold anything, and a quote in it is doubled."""
    cut = Cut(delimiter)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    last = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return cut
        except csv.Error:
            cut.broken += reader.line_num - last
            last = reader.line_num
            continue
        if any(cell.strip() for cell in cells) or len(cells) > 1:
            cut.lines_by_width[len(cells)] += reader.line_num - last
            cut.rows.append(cells)
            if reader.line_num - last > 1 and any(is_spanning(cell, delimiter) for cell in cells):
                cut.spanning.append(Spanning(last + 1, reader.line_num, cells))
        last = reader.line_num


def header_candidates(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Returns the cells of the first records, each of which may be the header."""
    reader = csv.reader(lines[:HEADER_RECORDS], delimiter=delimiter)
    return [cells for cells in reader if cells]


def is_spanning(cell: str, delimiter: str) -> bool:
    """True for a cell that holds a line break and the delimiter, as rows do that stray quotes have joined."""
    return delimiter in cell and ("\n" in cell or "\r" in cell)
