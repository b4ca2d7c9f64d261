"""Finds the rows in one JSON object: columns of lists, what pandas or the Hub writes, or rows beside other facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.data.readers.id_names import named, names_of
from harness.errors import DataError

__all__ = ["is_document", "rows_of_document"]


def is_document(value: Any) -> bool:
    """True for an object that looks like a whole table: it holds rows, or nothing but lists and objects."""
    if not isinstance(value, dict) or not value:
        return False
    return bool(_records(value)) or all(isinstance(part, (list, dict)) for part in value.values())


def rows_of_document(
    place: str, value: Mapping[str, Any], wanted: Sequence[str] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yields the rows of an object and their places; `wanted` are names of columns, which tell rows from columns.

    Raises:
        DataError: the object has none, or columns of different lengths.
    """
    if _is_of_hub(value) and not any(name.startswith("row.") for name in wanted or ()):
        names = _names_by_column(value.get("features"))
        for number, item in enumerate(value["rows"], start=1):
            row = {name: named(cell, names[name]) if name in names else cell for name, cell in item["row"].items()}
            yield f"item {number} of 'rows'", row
        return
    if _is_by_index(value, wanted):
        yield from ((f"'{index}'", row) for index, row in value.items())
        return
    records = _records(value)
    if len(records) == 1:
        yield from ((f"item {number} of '{records[0]}'", row) for number, row in enumerate(value[records[0]], start=1))
        return
    if len(records) > 1 and not set(wanted or ()) & set(value):
        listed = ", ".join(f"'{name}'" for name in records[:10])
        raise DataError(
            f"{place}: holds several lists of rows ({listed}); write each to a file of its own, as train.json"
        )
    columns = _columns(value)
    if not columns or not next(iter(columns.values())):
        listed = ", ".join(f"'{name}'" for name in list(value)[:10])
        raise DataError(
            f"{place}: is one object ({listed}) and no table; allowed: one object a line, a list of objects, or lists "
            "of one length by column"
        )
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
        yield f"row {number}", dict(zip(columns, cells, strict=True))


def _is_of_hub(value: Mapping[str, Any]) -> bool:
    """True for what the Hub's data set viewer gives: items that hold a row each."""
    rows = value.get("rows")
    return isinstance(rows, list) and bool(rows) and all(isinstance(_part(item, "row"), dict) for item in rows)


def _names_by_column(features: Any) -> dict[str, list[str]]:
    """Returns the names by id of each column that has some."""
    columns = features if isinstance(features, list) else []
    found = {_part(column, "name"): names_of(_part(column, "type")) for column in columns}
    return {name: names for name, names in found.items() if names}


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _is_by_index(value: Mapping[str, Any], wanted: Sequence[str] | None) -> bool:
    """True for rows by their index, where the names of columns are within the rows."""
    if not all(isinstance(part, dict) for part in value.values()):
        return False
    within = {name for part in value.values() for name in part}
    if wanted and not set(wanted) & set(value) and set(wanted) <= within:
        return True
    return all(map(str.isdecimal, value)) and not any(map(str.isdecimal, within))


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
