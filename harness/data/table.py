"""From columns of any values to rows with every field given: what is converted, dropped, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.kinds import kind_of
from harness.errors import DataError
from harness.spec.tasks import TaskFacts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_targets", "clean_frame"]

MIN_ROWS = 10


def clean_frame(
    place: str, columns: Mapping[str, Sequence[Any]], names: Mapping[str, str], facts: TaskFacts
) -> tuple[pd.DataFrame, list[str]]:
    """Rows with every field given, and `row` (the data row in its source, from 1); and notes on what was dropped.

    Args:
        place: the file, for messages.
        columns: values by column name in the source.
        names: column name in the source by the field's name.
        facts: the task's.

    Raises:
        DataError: a value is not of its field's kind, or most rows are empty.
    """
    import pandas as pd

    kinds = {name: kind_of(facts.field(name)) for name in names}
    values = {name: kinds[name].read(place, column, columns[column]) for name, column in names.items()}
    frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in values.items()})
    frame["row"] = np.arange(1, len(frame) + 1)
    notes = []
    for name in (name for name in names if kinds[name].can_be_empty):
        empty = np.array([isinstance(value, str) and not value.strip() for value in frame[name]], dtype=bool)
        if not empty.any():
            continue
        first = int(frame["row"].to_numpy()[empty][0])
        what = f"{place}: {int(empty.sum())} of {len(frame)} rows have an empty '{names[name]}' (first: row {first})"
        if empty.sum() * 2 > len(frame):
            raise DataError(f"{what}; is {facts.field(name).key} the right column?")
        notes.append(f"{what}: dropped")
        frame = frame[~empty].reset_index(drop=True)
    return frame, notes


def check_targets(place: str, frame: pd.DataFrame, names: Mapping[str, str], facts: TaskFacts) -> None:
    """Refuses training rows from which nothing can be learned.

    Raises:
        DataError: there are too few rows, or their targets teach nothing.
    """
    if len(frame) < MIN_ROWS:
        raise DataError(f"{place}: {len(frame)} usable rows; at least {MIN_ROWS} are needed")
    if facts.target is not None:
        kind_of(facts.target).check(place, names[facts.target.name], frame[facts.target.name].tolist())
