"""The kind of fields that hold class names: how a value becomes one, and how names are written in all splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.kinds.base import Kind
from harness.data.kinds.lists import lists_or_labels
from harness.data.kinds.spellings import MAX_LISTED, alike_note, doubtful_note, natural_order
from harness.data.values import MISSING_WORDS, as_text, is_invisible, is_missing, number_of, whole_number
from harness.errors import DataError

__all__ = ["MAX_LABELS", "Label", "label_name"]

MAX_LABELS = 1000


class Label(Kind):
    """Class names, one a row. Prepared data holds them as class ids, int64."""

    dtype = "int64"
    target = "labels"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns class names."""
        values = lists_or_labels(place, column, values)
        return [
            label_name(f"{place}: row {row}: '{column}'", value, column) for row, value in enumerate(values, start=1)
        ]

    def unify(self, place: str, column: str, values: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Writes 1.0 as 1 in all splits where every label of train is a number; refuses numbers with fractions.

        NA, nan and other words for no value are missing there. Other labels keep their spelling, 1E2 too.
        """
        known = {label for label in values["train"] if not _is_word_for_none(label)}
        numbers = {label: number_of(label) for label in known}
        if not numbers or any(number is None for number in numbers.values()):
            return dict(values)
        values = {
            split: [None if _is_word_for_none(label) else label for label in labels] for split, labels in values.items()
        }
        for row, label in enumerate(values["train"], start=1):
            number = None if label is None else numbers[label]
            if number is not None and number != int(number):
                raise DataError(
                    f"{place}: row {row}: '{column}' is {label}: labels are numbers with fractions: this is "
                    "regression; set task: text-regression, cut the numbers into named classes, or name the right "
                    "column with data.label="
                )
        return {split: _whole_numbers(labels) for split, labels in values.items()}

    def notes(self, column: str, values: Sequence[Any]) -> list[str]:
        """Lists the labels that may be one class under two spellings, and those that may stand for no label."""
        return [*alike_note(column, values), *doubtful_note(column, values)]

    def rewritten(self, column: str, pairs: Iterable[tuple[Any, Any]]) -> list[str]:
        """Lists the labels that are written in another way than in the table, and those that are missing ones."""
        changed = set(pairs)
        words = ", ".join(sorted(f"'{before}'" for before, after in changed if after is None))
        notes = [f"'{column}': beside labels that are numbers, {words} is a missing label"] if words else []
        written = sorted(pair for pair in changed if pair[1] is not None)
        listed = [f"'{before[:40]}' is '{after[:40]}'" for before, after in written]
        more = [f"{len(listed) - MAX_LISTED} more"] if len(listed) > MAX_LISTED else []
        what = "; ".join([*listed[:MAX_LISTED], *more])
        if listed:
            notes.append(f"'{column}': labels that are whole numbers are written without a point: {what}")
        return notes

    def names(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Returns the classes, as a person would list them."""
        return tuple(natural_order(set(values)))

    def stored(self, values: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Returns class ids."""
        class_ids = {name: number for number, name in enumerate(names)}
        return [class_ids.get(value) for value in values]

    def counts(self, values: Sequence[Any], names: Sequence[str]) -> dict[str, int]:
        """Returns the rows of each class."""
        counts = Counter(values)
        return {name: counts[name] for name in names}

    def split_notes(self, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Lists the classes that train lacks."""
        of_train = set(values["train"])
        return [
            f"the class '{label[:40]}' is in {split} but not in train: its rows cannot be got right"
            for split in ("validation", "test")
            for label in natural_order(set(values[split]) - of_train)
        ]

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses one class, too many classes, or a column of identifiers."""
        classes = sorted(set(values))
        if len(classes) == 1:
            raise DataError(f"{place}: every row has the label '{classes[0][:60]}'; at least 2 classes are needed")
        examples = ", ".join(f"'{label[:40]}'" for label in classes[:3])
        if len(classes) * 2 > len(values):
            raise DataError(
                f"{place}: column '{column}' has {len(classes)} different labels in {len(values)} rows ({examples}, "
                "...): is it an identifier? name the label column with data.label="
            )
        if len(classes) > MAX_LABELS:
            raise DataError(
                f"{place}: column '{column}' has {len(classes)} different labels ({examples}, ...); at most "
                f"{MAX_LABELS} are allowed: name the right column with data.label=, or merge rare classes"
            )

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses a single class."""
        if len(set(values)) < 2:
            raise DataError("the training split has one class only after splitting; give more rows of the others")

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the classes as they are given: by name, or by id."""
        return np.asarray(values)


def label_name(place: str, value: Any, column: str = "") -> str | None:
    """Returns the class name of a value; None for a missing one, or one of which nothing is seen.

    A list of one label is that label.

    Raises:
        DataError: the value holds several labels, or is no label; `place` begins the message.
    """
    if isinstance(value, (list, tuple)):
        if len(value) > 1:
            raise DataError(
                f"{place} holds {len(value)} labels, {str(value)[:60]}: set task: multi-label-classification, or give "
                "one label a row"
            )
        return label_name(place, value[0], f"{column}.0" if column else "") if value else None
    if is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return f"{int(value)}.0"  # without an exponent
    if isinstance(value, bool):
        return str(value).lower()
    text = as_text(place, value, column).strip()
    return None if is_invisible(text) else text


def _whole_numbers(labels: Sequence[str | None]) -> list[str | None]:
    """Returns the labels with whole numbers written without a point: "1.0" is "1"."""
    names = {label: whole_number(label) for label in set(labels) if label is not None}
    return [None if label is None else names[label] for label in labels]


def _is_word_for_none(label: str | None) -> bool:
    return label is None or label.lower() in MISSING_WORDS
