"""Turns ids into names (of classes, of tags) where Hugging Face's metadata of a table names them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.data.readers.form import Content
from harness.errors import DataError

__all__ = ["id_names", "named", "named_alike", "names_of"]


def id_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Returns the names by id of each column that has some, from the metadata of an Arrow schema."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {column: names for column, feature in features.items() if (names := names_of(feature))}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def names_of(feature: Any) -> list[str] | None:
    """Returns the names of a feature's ids, or of those of its items if it holds lists; None where there are none."""
    if isinstance(feature, Sequence) and not isinstance(feature, str):
        return names_of(feature[0]) if feature else None
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel":
        return _listed(feature.get("names"))
    return names_of(feature["feature"]) if "feature" in feature else None


def _listed(names: Any) -> list[str] | None:
    """Returns the names in the order of their ids, also where they are given as a mapping: {"0": "no", "1": "yes"}."""
    if isinstance(names, Mapping):
        by_id = {str(number): name for number, name in names.items()}
        names = [by_id.get(str(number)) for number in range(len(by_id))]
    is_list = isinstance(names, Sequence) and all(isinstance(name, str) for name in names)
    return list(names) if names and is_list and not isinstance(names, str) else None


def named(place: str, value: Any, names: Sequence[str]) -> Any:
    """Returns the name of an id, or the names of a list of ids; None for -1 and NaN, which stand for no name.

    A whole float is an id, and a name is itself.

    Raises:
        DataError: the value is neither a name nor an id, or is beyond the names; `place` begins the message.
    """
    if isinstance(value, list):
        return [named(place, item, names) for item in value]
    if value is None or value != value or value == -1 or value in names:
        return value if isinstance(value, str) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int):
        raise DataError(
            f"{place} has {str(value)[:40]!r}, where the table's metadata names classes by whole numbers from 0 on; "
            "write the ids, or write the table without this metadata"
        )
    if not 0 <= value < len(names):
        raise DataError(
            f"{place} has the class id {value}, and the table's metadata names {len(names)} classes, from 0 on "
            "(-1: none); mend the ids or the names, or write the table without this metadata"
        )
    return names[value]


def named_alike(places: Sequence[str], contents: Sequence[Content]) -> list[Content]:
    """Returns the shards of a table, with bare ids named by the names that the metadata of another shard has.

    Args:
        places: the shards, for messages; a note has the last part of a path.
        contents: their columns.

    Raises:
        DataError: an id is beyond the names.
    """
    known: dict[str, tuple[str, Sequence[str]]] = {}
    for place, content in zip(places, contents, strict=True):
        for column, names in content.names.items():
            known.setdefault(column, (place.rpartition("/")[2], names))
    return [_named_by(place, content, known) for place, content in zip(places, contents, strict=True)]


def _named_by(place: str, content: Content, known: Mapping[str, tuple[str, Sequence[str]]]) -> Content:
    columns, notes = dict(content.columns), list(content.notes)
    for column, (other, names) in known.items():
        values = columns.get(column, [])
        if column in content.names or not any(_is_id(value) for value in values):
            continue
        columns[column] = [named(f"{place}: '{column}'", value, names) if _is_id(value) else value for value in values]
        notes.append(f"{place.rpartition('/')[2]}: the ids in '{column}' have no names; they are named as in {other}")
    return replace(content, columns=columns, notes=tuple(notes))


def _is_id(value: Any) -> bool:
    return any(map(_is_id, value)) if isinstance(value, list) else isinstance(value, (int, float))
