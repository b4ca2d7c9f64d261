"""What a section of the page is made of: figures, tables and texts.

Knows nothing of studies or HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.report.kit.figures import Figure

__all__ = ["Section", "Table", "Text", "arranged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts; the first cell of a row names it. `numeric` and `texts` are places of columns."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    texts: frozenset[int] = frozenset()
    caption: str = ""
    wide: bool = False
    """Takes the whole width of the page; two others stand side by side."""


Card = TypeVar("Card", Figure, Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A piece of text as it is, such as a study file; `command` puts it on one line with a button that copies it."""

    title: str
    text: str
    command: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page. `small` are figures in rows of several; `empty` is said where there is nothing to show."""

    key: str
    title: str
    lead: str
    figures: Sequence[Figure] = ()
    small: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    texts: Sequence[Text] = ()
    floor: tuple[float, float] | None = None
    empty: str = ""

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        return (*self.figures, *self.small)

    @property
    def per_row(self) -> int:
        """How many small figures stand in a row of a wide page, so that the last row is not left with one."""
        return min((4, 3, 5), key=lambda columns: (-len(self.small) % columns, columns != 4))


def arranged(cards: Sequence[Card]) -> list[Card]:
    """Figures or tables in rows of two; one that is left alone in its row takes the whole row."""
    found: list[Card] = []
    half = False
    for card in cards:
        if card.wide and half:
            found[-1] = replace(found[-1], wide=True)
        half = not half and not card.wide
        found.append(card)
    if half:
        found[-1] = replace(found[-1], wide=True)
    return found
