"""Fields that one column does not hold as it is: several columns that are read as one, and cells that hold several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cut_cells", "joined_columns", "joined_name", "joined_parts"]

_JOINT = ", "


def joined_name(columns: Sequence[str]) -> str:
    """Returns the name of several columns that are read as one."""
    return _JOINT.join(columns)


def joined_parts(name: str) -> list[str]:
    """Returns the names of the columns that `joined_name` named."""
    return name.split(_JOINT)


def joined_columns(columns: Mapping[str, Sequence[Any]], name: str) -> list[dict[str, Any]] | None:
    """Returns a mapping of the cells of each row by column, of those that `joined_name` named; None where one lacks."""
    parts = joined_parts(name)
    if not all(part in columns for part in parts):
        return None
    return [dict(zip(parts, cells, strict=True)) for cells in zip(*(columns[part] for part in parts), strict=True)]


def cut_cells(values: Sequence[Any], separator: str | None) -> list[Any]:
    """Returns texts as lists of what stands between the separators; an empty text is an empty list."""
    if separator is None:
        return list(values)
    return [
        [part.strip() for part in value.split(separator) if part.strip()] if isinstance(value, str) else value
        for value in values
    ]
