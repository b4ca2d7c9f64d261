"""The columns that are read beside a task's fields: the order and the groups of a split, and the units of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.data.splits.order import ranks_in_order
from harness.data.values import as_text, is_missing, whole_number
from harness.errors import DataError
from harness.spec.study import DataSpec

__all__ = ["GROUP", "ORDER", "RESAMPLE_BY", "extra_columns", "extra_values", "unit_columns"]

#: The columns of a data frame that hold them, which are called as the keys of the study.
ORDER, GROUP, RESAMPLE_BY = "data.split.by", "data.split.group", "data.resample_by"


def extra_columns(spec: DataSpec) -> dict[str, str]:
    """Returns the column in the source of each of the keys that the study sets."""
    columns = {ORDER: spec.split.by, GROUP: spec.split.group, RESAMPLE_BY: spec.resample_by}
    return {key: column for key, column in columns.items() if column is not None}


def unit_columns(extra: Mapping[str, str], unit: str | None) -> dict[str, str]:
    """Returns the column of a task's `unit` for groups and for units, where `extra` names no other; {} without one."""
    return {key: unit for key in (GROUP, RESAMPLE_BY) if unit is not None and key not in extra}


def extra_values(
    columns: Mapping[str, Mapping[str, Sequence[Any]]], places: Mapping[str, str], extra: Mapping[str, str]
) -> tuple[dict[str, dict[str, list[Any]]], list[str]]:
    """Returns the values by split and key, and notes: ranks for the order, and texts for groups and units.

    A row without a group, or without a unit, is one of its own: no row of another split shares its group.

    Raises:
        DataError: a value is no text, number or date.
    """
    values: dict[str, dict[str, list[Any]]] = {split: {} for split in columns}
    notes = []
    for key, column in extra.items():
        missing = {split: sum(map(is_missing, table[column])) for split, table in columns.items()}
        if missing["train"] == len(columns["train"][column]):
            raise DataError(f"{places['train']}: no row has a '{column}'; is {key} the right column?")
        if key == ORDER:
            everything = [value for table in columns.values() for value in table[column]]
            ranks, kind = ranks_in_order(column, everything)
            notes.append(f"rows are in the order of '{column}', as {kind} ({key})")
            without, start = "they come first", 0
            for split, table in columns.items():
                values[split][key] = ranks[start : start + len(table[column])].tolist()
                start += len(table[column])
        else:
            without = "each counts as one of its own"
            for split, table in columns.items():
                own = f"\0{split} " if key == GROUP else "\0"  # units are compared within a split, and hashed
                values[split][key] = [
                    f"{own}{row}" if is_missing(value) else _name(f"{places[split]}: row {row}: '{column}'", value)
                    for row, value in enumerate(table[column], start=1)
                ]
        notes += [
            f"{places[split]}: {count} of {len(columns[split][column])} rows have an empty '{column}': {without}"
            for split, count in missing.items()
            if count
        ]
    return values, notes


def _name(place: str, value: Any) -> str:
    """Returns the name of a group or unit; spaces around it do not count, and 1.0 is 1."""
    return whole_number(as_text(place, value).strip())
