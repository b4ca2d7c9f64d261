"""A table that fits the terminal: on a narrow one the least important columns are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

__all__ = ["Line", "TextColumn", "fits", "fitted"]

_GAP = 2
#: The last column is shortened to this before any other is left out.
_LAST = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn:
    """A column; one of `rank` 0 is always shown, of the others the highest rank is left out first."""

    title: str
    right: bool = True
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One row: a text for each column, and a style for all of them."""

    cells: tuple[str, ...]
    style: str = ""


def fits(columns: Sequence[TextColumn], lines: Sequence[Line | None], width: int) -> bool:
    """Returns True where the whole table is at most `width` wide, and nothing of it need be left out or shortened."""
    return sum(_widths(columns, lines)) + _GAP * (len(columns) - 1) <= width


def _widths(columns: Sequence[TextColumn], lines: Sequence[Line | None]) -> list[int]:
    rows = [line for line in lines if line is not None]
    return [max(map(cell_len, [column.title, *(row.cells[at] for row in rows)])) for at, column in enumerate(columns)]


def fitted(columns: Sequence[TextColumn], lines: Sequence[Line | None], width: int) -> tuple[Table, list[str]]:
    """Returns the table, at most `width` wide, and the titles of the columns that were left out.

    None among the lines draws a ruler. The last column, of words, is shortened before another is left out.
    """
    widths = _widths(columns, lines)
    needed = [*widths[:-1], min(widths[-1], _LAST)]
    indices = list(range(len(columns)))
    while sum(needed[at] + _GAP for at in indices) - _GAP > width and any(columns[at].rank for at in indices):
        indices.remove(max(indices, key=lambda at: (columns[at].rank, at)))
    last, others = indices[-1], indices[:-1]
    widths[last] = max(1, min(widths[last], width - sum(widths[at] + _GAP for at in others)))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold", expand=False)
    for at in indices:
        column = columns[at]
        justify: Literal["left", "right"] = "right" if column.right else "left"
        # Text, not str: rich would read [brackets] in a str as markup.
        table.add_column(Text(column.title), justify=justify, no_wrap=True, overflow="ellipsis", width=widths[at])
    for line in lines:
        if line is None:
            table.add_row(*(Text("─" * widths[at], style="dim") for at in indices))
        else:
            table.add_row(*(Text(line.cells[at]) for at in indices), style=line.style)
    return table, [column.title for at, column in enumerate(columns) if at not in indices]
