"""Finds a column of one table that says of which split each row is, as other tools read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from harness.data.layouts import SPLITS
from harness.data.readers.header import folded
from harness.data.values import is_missing
from harness.errors import DataError

__all__ = ["split_column_note"]

#: What such a column is called.
_NAMES = frozenset(["split", "splits", "set", "subset", "fold", "partition"])


def split_column_note(
    place: str, present: Sequence[str], used: Collection[str], read: Callable[[str], Sequence[Any]]
) -> list[str]:
    """Returns a note on a column that names splits and that the study does not use; empty where there is none.

    Args:
        place: the table, for the note.
        present: its columns.
        used: the columns that the study reads.
        read: returns the values of a column.
    """
    for column in present:
        if folded(column) not in _NAMES or column in used:
            continue
        try:
            values = read(column)
        except DataError:  # of two columns with one name
            continue
        names = dict.fromkeys(str(value).strip() for value in values if not is_missing(value))
        splits = {SPLITS.get(name.lower(), "") for name in names}
        if "" not in splits and len(splits) > 1:
            listed = ", ".join(f"'{name}'" for name in names)
            return [
                f"{place}: column '{column}' names the split of each row ({listed}) and is not used: all rows are "
                "split anew; to keep its splits, write the rows of each to a file (train.csv, validation.csv, "
                "test.csv) of one folder, and give the folder as data.path"
            ]
    return []
