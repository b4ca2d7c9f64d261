"""Finds the names of rows, mostly numbers, which R writes before the cells of a row and does not name in the header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from harness.data.readers.cut import QUOTED_WORDS
from harness.data.readers.header import Header, is_number

__all__ = ["with_row_names"]

#: Names of columns that number the rows.
_NUMBERS = re.compile(r"|#|(row|record|s)?[ _.]?(no|nr|num|number|index|idx|n)\.?|.*(\b|_)(id|key)", re.IGNORECASE)


def with_row_names(
    header: Header, rows: Sequence[tuple[int, Sequence[str]]], width: int, lines: Sequence[str]
) -> Header:
    """Returns the header with a column for the names of the rows, where each row has one cell more.

    It is the same header where that cell may come from a delimiter in a text: in a CSV each cell that is no number is
    in quotes, and the header does not begin with a name for such numbers. Names are numbers, but for cells with spaces
    between.

    Args:
        header: the header of a table.
        rows: the first rows, each with the line it ends on.
        width: the usual number of cells of a row.
        lines: the lines of the rows.
    """
    below = [cells for line, cells in rows if line > header.last]
    if not header.last or len(header.columns) + 1 != width or any(len(cells) != width for cells in below):
        return header
    records, head, names = _records(header.last, rows, lines), lines[header.last - 1], [cells[0] for cells in below]
    are_names = names == [str(number) for number in range(1, len(below) + 1)]
    if len(set(names)) == len(names) and all(record.startswith('"') for record in records):
        are_names = are_names or all(map(str.isdecimal, names)) or QUOTED_WORDS.match(head) is not None
    if not are_names or not any(cells[-1] for cells in below) or _NUMBERS.fullmatch(header.columns[0].strip()):
        return header
    if "\t" not in head and not all(map(_is_in_quotes, records, below)):
        return header
    return replace(header, columns=["", *header.columns], has_row_names=True)


def _records(last: int, rows: Sequence[tuple[int, Sequence[str]]], lines: Sequence[str]) -> list[str]:
    """Returns the text of each row below the line `last`, of one line or several."""
    ends = [last, *(line for line, _ in rows if line > last)]
    return ["".join(lines[start:end]).lstrip("\r\n") for start, end in pairwise(ends)]


def _is_in_quotes(record: str, cells: Sequence[str]) -> bool:
    """True for a row whose cells, but for numbers and NA, are in quotes; the first is in quotes too."""
    others = sum(bool(cell) and cell != "NA" and not is_number(cell) for cell in cells[1:])
    return record.startswith('"') and record.count('"') >= 2 * (1 + others)
