"""The kinds of fields: how values are read, when two values are the same, and how rows are stratified.

The reader, the checks, the search for duplicates and the split ask the kind of a task's fields, never the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.clean import normalised
from harness.data.labels import alike_note, label_name, whole_numbers
from harness.data.values import as_text, is_missing, number_of
from harness.errors import DataError, look_up
from harness.spec.tasks import Field, TaskFacts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "Kind", "duplicate_keys", "kind_of", "strata_of"]

MAX_LABELS = 1000
#: Numbers are stratified by this many quantiles at most, each of at least this many rows.
MAX_BINS, MIN_BIN_ROWS = 10, 10
#: Numbers beyond it have no square in fp32's range.
LARGEST = 1e18


class Kind:
    """A kind of field. The defaults hold for a field that is never a target.

    `dtype` is how a column is stored; `can_be_empty` says that a value may be missing, which leaves its row out.
    """

    dtype: str = "object"
    can_be_empty: bool = True
    #: The name of the target in losses and metrics, for a field that is one.
    target: str = ""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the values of a column, checked and converted; None for a missing one.

        Raises:
            DataError: a value is of another kind; the message names `place`, row, column and value.
        """
        raise NotImplementedError

    def unify(self, place: str, column: str, values: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Returns the targets of each split, all written by one rule, which those of train decide.

        Raises:
            DataError: they are of another kind; the message names `place`, the table of train.
        """
        return dict(values)

    def notes(self, column: str, values: Sequence[Any]) -> list[str]:
        """Returns what a person should know of the targets of all splits, a sentence each."""
        return []

    def same(self, value: Any) -> str:
        """Returns a text that is equal for two values that count as the same."""
        return str(value)

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses training targets from which nothing can be learned.

        Raises:
            DataError: what is wrong with them, and what to do.
        """

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses the targets of a training split from which nothing can be learned.

        Raises:
            DataError: what is wrong with them, and what to do.
        """

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the stratum of each row [rows]; all splits have the same shares of the strata."""
        return np.zeros(len(values), dtype=np.int64)


class Text(Kind):
    """Texts, as str. Two are the same when they differ in case, white space or Unicode form only."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns texts; numbers and dates become text."""
        return [
            None if is_missing(value) else as_text(f"{place}: row {row}: '{column}'", value)
            for row, value in enumerate(values, start=1)
        ]

    def same(self, value: Any) -> str:
        """Returns the text after normalisation."""
        return normalised(value)


class Image(Kind):
    """Images: nested lists [height][width] or [height][width][channels] of whole numbers 0..255, all of one shape."""

    can_be_empty = False

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the images, as nested lists of int."""
        images: list[np.ndarray] = []
        for row, value in enumerate(values, start=1):
            image = _as_image(f"{place}: row {row}: '{column}'", value)
            if images and image.shape != images[0].shape:
                raise DataError(
                    f"{place}: row {row}: '{column}' has shape {image.shape}, row 1 has {images[0].shape}; "
                    "resize all images to one shape"
                )
            images.append(image)
        return [image.tolist() for image in images]


class Label(Kind):
    """Class names, one a row. Prepared data holds them as class ids, int64."""

    dtype = "int64"
    target = "labels"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns class names."""
        return [label_name(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, start=1)]

    def unify(self, place: str, column: str, values: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Writes 1.0 as 1 in all splits where every label of train is a number; refuses numbers with fractions."""
        numbers = {label: number_of(label) for label in set(values["train"]) if label is not None}
        if any(number is None for number in numbers.values()):
            return dict(values)
        for row, label in enumerate(values["train"], start=1):
            number = None if label is None else numbers[label]
            if number is not None and number != int(number):
                raise DataError(
                    f"{place}: row {row}: '{column}' is {label}: labels are numbers with fractions: this is "
                    "regression; set task: text-regression, cut the numbers into named classes, or name the right "
                    "column with data.label="
                )
        return {split: whole_numbers(labels) for split, labels in values.items()}

    def notes(self, column: str, values: Sequence[Any]) -> list[str]:
        """Lists the labels that may be one class under two spellings."""
        return alike_note(column, values)

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


class Number(Kind):
    """Real numbers, float64."""

    dtype = "float64"
    target = "numbers"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the numbers, as float."""
        return [_as_number(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, start=1)]

    def same(self, value: Any) -> str:
        """Returns the number with all its digits."""
        return repr(float(value))

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses numbers that are all equal."""
        if len(set(values)) == 1:
            raise DataError(
                f"{place}: every row has {values[0]:g} in '{column}', so there is nothing to learn; name the right "
                "column with data.label="
            )

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses numbers that are all equal."""
        if len(set(values)) < 2:
            raise DataError("the training split has one number only after splitting; give more rows of others")

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the quantile of each row's number among all rows; equal numbers are in the same one."""
        numbers = np.asarray(values, dtype=np.float64)
        bins = max(1, min(MAX_BINS, len(numbers) // MIN_BIN_ROWS))
        edges = np.unique(np.quantile(numbers, np.arange(1, bins) / bins)) if bins > 1 else np.empty(0)
        return np.searchsorted(edges, numbers, side="right")


KINDS: Mapping[str, Kind] = {"text": Text(), "image": Image(), "label": Label(), "number": Number()}


def kind_of(field: Field) -> Kind:
    """Returns the kind of `field`.

    Raises:
        InputError: there is no such kind.
    """
    return look_up(KINDS, field.kind, f"the kind of field '{field.name}'")


def duplicate_keys(frame: pd.DataFrame, facts: TaskFacts) -> list[str]:
    """Returns a text for each row of a data frame, equal where all inputs of two rows are the same."""
    inputs = [field for field in facts.fields if not field.target and field.name in frame]
    columns = [[kind_of(field).same(value) for value in frame[field.name]] for field in inputs]
    return ["\0".join(parts) for parts in zip(*columns, strict=True)]


def strata_of(frame: pd.DataFrame, facts: TaskFacts) -> np.ndarray:
    """Returns the stratum of each row of a data frame, by its target [rows]; 0 for a task without a target."""
    target = facts.target
    return kind_of(target).strata(frame[target.name].tolist()) if target else np.zeros(len(frame), dtype=np.int64)


def _as_image(place: str, value: Any) -> np.ndarray:
    """Returns an image [height, width] or [height, width, channels] uint8."""
    try:
        image = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        image = np.empty(0)
    if image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise DataError(
            f"{place} is no image: {str(value)[:40]!r}; allowed: rows of pixels, "
            "[height][width] or [height][width][1 or 3], in a JSONL or Parquet table"
        )
    if image.min() < 0 or image.max() > 255 or (image != np.round(image)).any():
        raise DataError(f"{place} has pixels that are not whole numbers from 0 to 255")
    return image.astype(np.uint8)


def _as_number(place: str, value: Any) -> float | None:
    """Returns a finite number, or None for a missing one."""
    if is_missing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise DataError(f"{place} holds a {type(value).__name__}, not a number: {str(value)[:60]}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        raise DataError(f"{place} is {str(value)[:60]!r}, which is not a number; write 12.5 or 1e-3, without units")
    if abs(number) > LARGEST:
        raise DataError(f"{place} is {str(value)[:60]!r}, more than {LARGEST:g}; give the numbers in a larger unit")
    return number
