"""Values within objects and lists, by names such as `review.text` and `annotations.result.value.choices`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["paths_of", "value_at"]


def value_at(value: Any, parts: Sequence[str]) -> Any:
    """Returns what the parts of a name lead to; None where they lead to nothing.

    A part is a key of an object, or the place of an item in a list, from 0. A key of a list leads into each of its
    items, and gives the list of what is there.
    """
    for at, part in enumerate(parts):
        if isinstance(value, list) and part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        elif isinstance(value, list):
            found = [value_at(item, parts[at:]) for item in value]
            return [item for items in found for item in (items if isinstance(items, list) else [items])
                    if item is not None] or None  # fmt: skip
        elif isinstance(value, Mapping):
            value = value.get(part)
        else:
            return None
    return value


def paths_of(row: Mapping[str, Any]) -> list[str]:
    """Returns the names in a row; those within its objects, and within the first object of a list, have points."""
    paths = []
    for name, value in row.items():
        first = value[0] if isinstance(value, list) and value else value
        within = paths_of(first) if isinstance(first, dict) else []
        paths += [name] if first is not value or not within else []
        paths += [f"{name}.{path}" for path in within]
    return paths
