"""The parts of the page: sections, and the tables and texts in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.report.kit.figures import Figure

__all__ = ["Section", "Sentence", "Table", "TextBlock", "arranged"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer with its subject, which is shown before it.

    `command` follows it: a command, or overrides of a study, that the reader copies as it is.
    """

    about: str
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts; the first cell of a row names the row.

    `numeric`, `texts` and `pictures` are indices of columns; a cell of a picture is a data URI, or empty.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    texts: frozenset[int] = frozenset()
    pictures: frozenset[int] = frozenset()
    caption: str = ""
    wide: bool = False
    """True for the whole width of the page; two other tables stand side by side."""


Card = TypeVar("Card", Figure, Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """A preformatted text, such as a study file; `command` shows it on one line with a copy button."""

    title: str
    text: str
    command: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page. `small` are figures in rows of several; `empty` is the text where there are none."""

    key: str
    title: str
    lead: str
    figures: Sequence[Figure] = ()
    small: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    texts: Sequence[TextBlock] = ()
    floor: tuple[float, float] | None = None
    floor_of: str = "train"
    empty: str = ""

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """The figures, then the small ones."""
        return (*self.figures, *self.small)

    @property
    def per_row(self) -> int:
        """The number of small figures in a row of a wide page, chosen so that the last row is as full as possible."""
        return min((4, 3, 5), key=lambda columns: (-len(self.small) % columns, columns != 4))


def arranged(cards: Sequence[Card]) -> list[Card]:
    """Figures or tables in rows of two; one that is left alone in its row takes the whole row."""
    cards_in_rows: list[Card] = []
    half = False
    for card in cards:
        if card.wide and half:
            cards_in_rows[-1] = replace(cards_in_rows[-1], wide=True)
        half = not half and not card.wide
        cards_in_rows.append(card)
    if half:
        cards_in_rows[-1] = replace(cards_in_rows[-1], wide=True)
    return cards_in_rows
