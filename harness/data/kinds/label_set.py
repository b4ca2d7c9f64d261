"""The kind of fields that hold several label names a row: lists, one column of 0 and 1 a label, or texts to be cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.kinds.base import Kind
from harness.data.kinds.label import MAX_LABELS, label_name
from harness.data.kinds.lists import lists_or_labels
from harness.data.kinds.spellings import alike_note, doubtful_note, natural_order
from harness.data.values import is_missing
from harness.errors import DataError

__all__ = ["SEPARATORS", "LabelSet"]

#: What may separate the labels of a cell.
SEPARATORS = (";", "|", ",")
_ONE, _ZERO = {"1", "1.0", "true"}, {"0", "0.0", "false"}


class LabelSet(Kind):
    """Label names, any number a row. Prepared data holds each row as 0 or 1 for every label, uint8 [num_labels]."""

    target = "label_sets"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns lists of label names without repeats; an empty one is a row without labels."""
        values = lists_or_labels(place, column, values)
        return [_names_of(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, start=1)]

    def parts(self, value: Any) -> Sequence[Any]:
        """Returns the labels of a list, or the cells of several columns."""
        return list(value.values()) if isinstance(value, Mapping) else super().parts(value)

    def same(self, value: Any) -> str:
        """Returns the labels in one order."""
        return "\0".join(sorted(value))

    def unify(self, place: str, column: str, values: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Takes a split other than train in which no row has any label for one without labels."""
        return {
            split: [None] * len(sets) if split != "train" and not any(sets) else list(sets)
            for split, sets in values.items()
        }

    def known(self, names: Sequence[str]) -> list[Any] | None:
        """Returns one set of all names."""
        return [list(names)]

    def notes(self, column: str, values: Sequence[Any]) -> list[str]:
        """Lists the labels that may be one under two spellings, and those that may stand for no label."""
        names = [name for value in values for name in value]
        return [*alike_note(column, names), *doubtful_note(column, names)]

    def names(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Returns the labels, as a person would list them."""
        return tuple(natural_order({name for value in values for name in value}))

    def stored(self, values: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Returns 0 or 1 for every label; None for a row with a label that `names` lack."""
        label_ids = {name: number for number, name in enumerate(names)}
        rows: list[np.ndarray | None] = []
        for value in values:
            if value is None or not label_ids.keys() >= set(value):
                rows.append(None)
                continue
            row = np.zeros(len(names), dtype=np.uint8)
            row[[label_ids[name] for name in value]] = 1
            rows.append(row)
        return rows

    def counts(self, values: Sequence[Any], names: Sequence[str]) -> dict[str, int]:
        """Returns the rows of each label."""
        counts = Counter(name for value in values for name in value)
        return {name: counts[name] for name in names}

    def split_notes(self, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Lists the labels that train lacks."""
        of_split = {split: {name for value in sets for name in value} for split, sets in values.items()}
        return [
            f"the label '{label[:40]}' is in {split} but not in train: it cannot be learned"
            for split in ("validation", "test")
            for label in natural_order(of_split[split] - of_split["train"])
        ]

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses rows that all have the same labels, too many labels, or a column of texts."""
        names = self.names(values)
        if len({self.same(value) for value in values}) == 1:
            listed = ", ".join(f"'{name[:40]}'" for name in values[0][:3]) or "none"
            raise DataError(f"{place}: every row has the same labels ({listed}); there is nothing to learn")
        examples = ", ".join(f"'{name[:40]}'" for name in names[:3])
        what = f"{place}: column '{column}' has {len(names)} different labels in {len(values)} rows ({examples}, ...)"
        if len(names) * 2 > len(values) or len(names) > MAX_LABELS:
            separator = _separator_in(names)
            if separator:
                raise DataError(f"{what}: are they several in one text? set data.label_separator='{separator}'")
            raise DataError(f"{what}; at most {MAX_LABELS} are allowed: name the right column with data.label=")

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses rows that all have the same labels."""
        if len({self.same(value) for value in values}) < 2:
            raise DataError("all rows of the training split have the same labels after splitting; give more rows")

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the rarest label of each row, by name or by id; the empty name or -1 for a row without labels."""
        if isinstance(next(iter(values), None), np.ndarray):
            sets: Iterable[Sequence[Any]] = [np.flatnonzero(value).tolist() for value in values]
            none: Any = -1
        else:
            sets, none = values, ""
        rows = Counter(name for names in sets for name in names)
        return np.asarray([min(names, key=lambda name: (rows[name], name), default=none) for names in sets])


def _names_of(place: str, value: Any) -> list[str] | None:
    """Returns the label names of a value; None for a missing one.

    Raises:
        DataError: the value holds no labels, or is one of several columns and neither 0 nor 1; `place` begins the
            message.
    """
    if isinstance(value, Mapping):
        return _of_columns(place, value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        name = label_name(place, value)
        return None if name is None else [name]
    names = [label_name(place, name) for name in value]
    if any(name is None for name in names):
        raise DataError(f"{place} holds an empty label: {str(list(value))[:60]}")
    return list(dict.fromkeys(str(name) for name in names))


def _of_columns(place: str, cells: Mapping[str, Any]) -> list[str] | None:
    """Returns the names of the columns that hold 1; None where a cell is missing."""
    if any(is_missing(cell) for cell in cells.values()):
        return None
    for name, cell in cells.items():
        if str(cell).strip().lower() not in _ONE | _ZERO:
            raise DataError(
                f"{place}: '{name[:40]}' is {str(cell)[:40]!r}, neither 0 nor 1; name the column of lists of labels "
                "with data.label=, or list the columns of 0 and 1 in data.columns.labels"
            )
    return [name for name, cell in cells.items() if str(cell).strip().lower() in _ONE]


def _separator_in(names: Sequence[str]) -> str:
    """Returns what most names hold and may separate labels; "" where there is none."""
    return next((sign for sign in SEPARATORS if sum(sign in name for name in names) * 2 > len(names)), "")
