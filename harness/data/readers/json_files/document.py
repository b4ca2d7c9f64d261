"""Finds the rows in one JSON object: columns of lists, what pandas or the Hub writes, or rows beside other facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.data.boxes.coco import is_coco, rows_of_coco
from harness.data.readers.id_names import named, names_of
from harness.data.readers.json_files.squad import is_squad, rows_of_squad
from harness.data.readers.nested import value_at
from harness.errors import DataError

__all__ = ["is_document", "rows_of_document"]

#: Rows are looked for in objects within so many objects.
_MAX_DEPTH = 5
#: So many rows of a list tell which columns it has.
_TELLING_ROWS = 100


def is_document(value: Any, wanted: Sequence[str] | None = None) -> bool:
    """True for an object that looks like a whole table: it holds rows, or nothing but lists and objects.

    An object with a plain value of each of the columns `wanted` is a row.
    """
    if not isinstance(value, dict) or not value:
        return False
    if wanted and not any(isinstance(value.get(name), (list, dict, type(None))) for name in wanted):
        return False
    return bool(_tables(value, wanted)) or all(isinstance(part, (list, dict)) for part in value.values())


def rows_of_document(
    place: str, value: Mapping[str, Any], wanted: Sequence[str] | None, notes: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yields the rows of an object and their places, and adds a note where they are not the only thing in it.

    Args:
        place: the file, for messages.
        value: the object.
        wanted: names of columns, which tell rows from columns, and the rows from other lists of objects.
        notes: a note on where the rows are is added to them.

    Raises:
        DataError: the object has none, or columns of different lengths.
    """
    if _is_of_hub(value) and not any(name.startswith("row.") for name in wanted or ()):
        names = _names_by_column(value.get("features"))
        for number, item in enumerate(value["rows"], start=1):
            row = {
                name: named(f"{place}: item {number}: '{name}'", cell, names[name]) if name in names else cell
                for name, cell in item["row"].items()
            }
            yield f"item {number} of 'rows'", row
        return
    if is_squad(value):
        yield from rows_of_squad(value)
        return
    if is_coco(value):
        yield from rows_of_coco(place, value, notes)
        return
    if _is_by_index(value, wanted):
        yield from ((f"'{index}'", row) for index, row in value.items())
        return
    are_columns = wanted and all(isinstance(value.get(name), (list, dict)) for name in wanted)
    tables = {} if are_columns else _tables(value, wanted)
    chosen = _fitting(tables, wanted) or tables
    if len(chosen) == 1:
        (path, table), *_ = chosen.items()
        if len(tables) > 1 or "." in path:
            notes.append(f"{place.rpartition('/')[2]}: the rows are those of '{path}'")
        rows = table if isinstance(table, list) else [dict(zip(table, row, strict=True)) for row in _across(table)]
        yield from ((f"item {number} of '{path}'", row) for number, row in enumerate(rows, start=1))
        return
    if len(tables) > 1 and not set(wanted or ()) & set(value):
        listed = ", ".join(f"'{path}'" for path in list(tables)[:10])
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
    names = {name for part in value.values() for name in part}
    if wanted and not set(wanted) & set(value) and set(wanted) <= names:
        of_lists = [part for part in value.values() if _are_columns([part.get(name) for name in wanted])]
        return len(of_lists) != 1  # one object of columns is the table
    return all(map(str.isdecimal, value)) and not any(map(str.isdecimal, names))


def _tables(value: Mapping[str, Any], wanted: Sequence[str] | None, above: str = "") -> dict[str, Any]:
    """Returns the lists of objects, and below the first level the columns `wanted`, by their paths: `data.rows`."""
    tables: dict[str, Any] = {}
    for name, part in value.items():
        path = f"{above}{name}"
        if isinstance(part, list) and part and all(isinstance(item, dict) for item in part):
            tables[path] = part
        elif isinstance(part, dict) and path.count(".") < _MAX_DEPTH:
            is_table = bool(wanted) and _are_columns([part.get(column) for column in wanted or ()])
            tables |= {path: {column: part[column] for column in wanted or ()}} if is_table else {}
            tables |= {} if is_table else _tables(part, wanted, f"{path}.")
    return tables


def _are_columns(lists: Sequence[Any]) -> bool:
    """True for lists of one length."""
    return all(isinstance(values, list) and values for values in lists) and len(set(map(len, lists))) == 1


def _across(columns: Mapping[str, list[Any]]) -> Iterator[tuple[Any, ...]]:
    return zip(*columns.values(), strict=True)


def _fitting(tables: Mapping[str, Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    """Returns the only table that has the columns `wanted`, or else the first of them; empty where none is the only."""
    for names in (wanted or (), (wanted or ())[:1]):
        fitting = {path: table for path, table in tables.items() if _has_columns(table, names)}
        if len(fitting) == 1:
            return fitting
    return {}


def _has_columns(table: Any, wanted: Sequence[str] | None) -> bool:
    """True where each of the columns `wanted` has a value in one of the first rows of a table."""
    if isinstance(table, dict):
        return True
    rows = table[:_TELLING_ROWS]
    return all(any(name in row or value_at(row, name.split(".")) is not None for row in rows) for name in wanted or ())


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
