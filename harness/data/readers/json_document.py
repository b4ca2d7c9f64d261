"""Finds the rows in one JSON object: columns of lists, what pandas writes, or rows beside other facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import DataError

__all__ = ["is_document", "rows_of_document"]


def is_document(value: Any) -> bool:
    """True for an object that looks like a whole table: it holds rows, or nothing but lists and objects."""
    if not isinstance(value, dict) or not value:
        return False
    return bool(_records(value)) or all(isinstance(part, (list, dict)) for part in value.values())


def rows_of_document(place: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the rows of an object and their places.

    Raises:
        DataError: the object has none, or columns of different lengths.
    """
    records = _records(value)
    if len(records) == 1:
        yield from ((f"item {number} of '{records[0]}'", row) for number, row in enumerate(value[records[0]], start=1))
        return
    columns = _columns(value)
    if not columns or not next(iter(columns.values())):
        listed = ", ".join(f"'{name}'" for name in list(value)[:10])
        raise DataError(
            f"{place}: is one object ({listed}) and no table; allowed: one object a line, a list of objects, or lists "
            "of one length by column"
        )
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
        yield f"row {number}", dict(zip(columns, cells, strict=True))


def _records(value: Mapping[str, Any]) -> list[str]:
    """Returns the names of lists of objects."""
    lists = {name: part for name, part in value.items() if isinstance(part, list) and part}
    return [name for name, items in lists.items() if all(isinstance(item, dict) for item in items)]


def _columns(value: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """Returns the columns of lists, of objects by one index, or of rows beside a list of names; None for others."""
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return {str(name): [row[at] for row in rows] for at, name in enumerate(names)} if _fit(names, rows) else None
    parts = list(value.values())
    if all(isinstance(part, dict) for part in parts):
        index = list(parts[0])
        same = all(list(part) == index for part in parts)
        return {name: list(part.values()) for name, part in value.items()} if same else None
    lists = all(isinstance(part, list) for part in parts)
    return dict(value) if lists and len({len(part) for part in parts}) == 1 else None


def _fit(names: list[Any], rows: list[list[Any]]) -> bool:
    return all(len(row) == len(names) for row in rows)
