"""The kinds of fields of tables: a category, several columns of categories, several of numbers, and 0 or 1 for a click.

What is missing is a category of its own, and a number that is not known: no row is left out for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.kinds.base import Kind
from harness.data.kinds.label import Label
from harness.data.kinds.number import as_number
from harness.data.values import as_text, is_missing, whole_number
from harness.errors import DataError

__all__ = ["SEVERAL", "Categories", "Category", "Click", "Numbers"]

#: Stands between the categories of a cell that is a list.
SEVERAL = "\x1f"
_CLICKS = {"1": "1", "1.0": "1", "true": "1", "0": "0", "0.0": "0", "false": "0"}


class Category(Kind):
    """A name, such as that of a user; empty where it is missing."""

    can_be_empty = False
    is_event = True

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns texts without spaces around them; 1.0 is 1."""
        return [_category(f"{place}: row {row}: '{column}'", value, column) for row, value in enumerate(values, 1)]


class Categories(Category):
    """Names, one for each of the columns; a cell that is a list has several."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns a list of texts a row."""
        return [
            [_joined(f"{place}: row {row}: '{name}'", cell, name) for name, cell in _cells(column, value)]
            for row, value in enumerate(values, 1)
        ]


class Numbers(Kind):
    """Real numbers, one for each of the columns; None where one is missing."""

    can_be_empty = False
    is_event = True

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns a list of float or None a row."""
        return [
            [as_number(f"{place}: row {row}: '{name}'", cell, name) for name, cell in _cells(column, value)]
            for row, value in enumerate(values, 1)
        ]


class Click(Label):
    """Whether something happened: 0 or 1. Prepared data holds it as int64."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns "0" or "1"; true and false are 1 and 0."""
        return [_click(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, 1)]

    def names(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Returns both, whichever occur."""
        return ("0", "1")


def _cells(column: str, value: Any) -> list[tuple[str, Any]]:
    """Returns the names of the columns that are read as one, and their cells."""
    return list(value.items()) if isinstance(value, Mapping) else [(column, value)]


def _joined(place: str, cell: Any, column: str) -> str:
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    parts = cell if isinstance(cell, (list, tuple)) else [cell]
    return SEVERAL.join(_category(place, part, column) for part in parts)


def _category(place: str, value: Any, column: str) -> str:
    return "" if is_missing(value) else whole_number(as_text(place, value, column).strip())


def _click(place: str, value: Any) -> str | None:
    if is_missing(value):
        return None
    found = _CLICKS.get(str(value).strip().lower())
    if found is None:
        raise DataError(
            f"{place} is {str(value)[:60]!r}, neither 0 nor 1; name the column that says whether there was a click "
            "with data.label=, or write 1 for a click and 0 for none"
        )
    return found
