"""Turns class ids into class names where Hugging Face's metadata of a table names the classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["class_names", "named"]


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Returns the classes of each column that has some, from the metadata of an Arrow schema."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {column: names for column, feature in features.items() if (names := _names(feature))}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _names(feature: Any) -> list[str] | None:
    """Returns the classes of a feature, or of the items of one that holds lists."""
    if isinstance(feature, Sequence) and not isinstance(feature, str):
        return _names(feature[0]) if feature else None
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel":
        return feature.get("names")
    return _names(feature["feature"]) if "feature" in feature else None


def named(value: Any, names: Sequence[str]) -> Any:
    """Returns the name of a class id, or the names of a list of ids; None for -1, which stands for no class."""
    if isinstance(value, list):
        return [named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
