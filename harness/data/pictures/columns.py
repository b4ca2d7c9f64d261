"""The columns of a table that hold pictures: paths, bytes, or mappings of both become pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.pictures.find import find_pictures
from harness.data.sources import Source
from harness.data.values import is_missing
from harness.spec.tasks import TaskFacts

__all__ = ["holds_pictures", "with_pictures"]


def holds_pictures(values: Sequence[Any]) -> bool:
    """True for a column whose first value is a path, bytes, or a mapping of both; False for rows of pixels."""
    first = next((value for value in values if not is_missing(value)), None)
    return isinstance(first, (str, bytes, bytearray, memoryview, Mapping))


def with_pictures(
    columns: Mapping[str, list[Any]],
    place: str,
    split: str,
    names: Mapping[str, str],
    facts: TaskFacts,
    source: Source,
) -> dict[str, list[Any]]:
    """Returns the columns of a split with a `Picture` for each value that means one.

    Args:
        columns: values by column name.
        place: the table, for messages.
        split: the name of the split.
        names: the column of each field by its name.
        facts: the facts of the task.
        source: where the data lies; paths are relative to the folder of the split's table.

    Raises:
        DataError: a value is no picture, or its file is missing or lies outside of the data's folder.
    """
    folder = _folder(source, split)
    pictured = {
        column
        for name, column in names.items()
        if facts.field(name).kind == "image" and column in columns and holds_pictures(columns[column])
    }
    return {
        column: find_pictures(place, column, values, folder, source.root) if column in pictured else values
        for column, values in columns.items()
    }


def _folder(source: Source, split: str) -> Path | None:
    return source.files[split][0].parent if split in source.files else source.root
