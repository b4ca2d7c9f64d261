"""From columns of any values to rows of text and label: what is converted, dropped, or refused.

Knows nothing of file formats or splits' sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_labels", "clean_frame"]

MIN_ROWS = 10
MAX_LABELS = 1000
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def clean_frame(
    place: str, columns: Mapping[str, Sequence[Any]], names: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Rows with every text and the label given, as str, with `row` (the data row in its source, from 1); and notes.

    Args:
        place: the file, for messages.
        columns: values by column name in the source.
        names: column name in the source by name here (text, text_pair or image, and label).

    Raises:
        DataError: a value is no text, labels are numbers with fractions, or most rows are empty.
    """
    import pandas as pd

    values: dict[str, Sequence[Any]] = {}
    for name, source in names.items():
        given = columns[source]
        if name == "label":
            values[name] = _as_labels(place, source, given)
        else:
            values[name] = (_as_images if name == "image" else _as_texts)(place, source, given)
    frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in values.items()})
    frame["row"] = np.arange(1, len(frame) + 1)
    notes = []
    for name in (name for name in names if name != "image"):
        empty = np.array([not value.strip() for value in frame[name]], dtype=bool)
        if not empty.any():
            continue
        first = int(frame["row"].to_numpy()[empty][0])
        what = f"{place}: {int(empty.sum())} of {len(frame)} rows have an empty '{names[name]}' (first: row {first})"
        if empty.sum() * 2 > len(frame):
            raise DataError(f"{what}; is data.{name} the right column?")
        notes.append(f"{what}: dropped")
        frame = frame[~empty].reset_index(drop=True)
    return frame, notes


def _as_texts(place: str, column: str, values: Sequence[Any]) -> list[str]:
    return [_as_text(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, start=1)]


def _as_text(place: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, dict, bytes)):
        raise DataError(f"{place} holds a {type(value).__name__}, not a text: {str(value)[:60]}")
    text = str(value)
    # JSON can spell half a surrogate pair, which no UTF-8 file and no tokenizer can.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _as_labels(place: str, column: str, values: Sequence[Any]) -> list[str]:
    """Class names; 1.0 and "1.0" become "1" where every label is a number."""
    labels = [
        "" if value != value else str(value).lower() if isinstance(value, bool) else text.strip()
        for value, text in zip(values, _as_texts(place, column, values), strict=True)
    ]
    if not all(_NUMBER.fullmatch(label) for label in labels if label):
        return labels
    for row, label in enumerate(labels, start=1):
        if label and not float(label).is_integer():
            raise DataError(
                f"{place}: row {row}: '{column}' is {label}: labels are numbers with fractions: this is regression, "
                "and only classification can be done; cut the numbers into named classes, or name the right column "
                "with data.label="
            )
    return [str(int(float(label))) if "." in label or "e" in label.lower() else label for label in labels]


def _as_images(place: str, column: str, values: Sequence[Any]) -> list[Any]:
    """Nested lists [height][width] or [height][width][channels] of whole numbers 0..255, all of one shape."""
    images: list[np.ndarray] = []
    for row, value in enumerate(values, start=1):
        try:
            image = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            image = np.empty(0)
        if image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] not in (1, 3)):
            raise DataError(
                f"{place}: row {row}: '{column}' is no image: {str(value)[:40]!r}; allowed: rows of pixels, "
                "[height][width] or [height][width][1 or 3], in a JSONL or Parquet table"
            )
        if image.min() < 0 or image.max() > 255 or (image != np.round(image)).any():
            raise DataError(f"{place}: row {row}: '{column}' has pixels that are not whole numbers from 0 to 255")
        if images and image.shape != images[0].shape:
            raise DataError(
                f"{place}: row {row}: '{column}' has shape {image.shape}, row 1 has {images[0].shape}; "
                "resize all images to one shape"
            )
        images.append(image.astype(np.uint8))
    return [image.tolist() for image in images]


def check_labels(place: str, column: str, labels: Sequence[str]) -> None:
    """Refuses training labels that no classifier can be trained on.

    Raises:
        DataError: too few rows, one class, too many classes, or a column of identifiers.
    """
    classes = sorted(set(labels))
    if len(labels) < MIN_ROWS:
        raise DataError(f"{place}: {len(labels)} usable rows; at least {MIN_ROWS} are needed")
    if len(classes) == 1:
        raise DataError(f"{place}: every row has the label '{classes[0][:60]}'; at least 2 classes are needed")
    examples = ", ".join(f"'{label[:40]}'" for label in classes[:3])
    if len(classes) * 2 > len(labels):
        raise DataError(
            f"{place}: column '{column}' has {len(classes)} different labels in {len(labels)} rows ({examples}, ...): "
            "is it an identifier? name the label column with data.label="
        )
    if len(classes) > MAX_LABELS:
        raise DataError(
            f"{place}: column '{column}' has {len(classes)} different labels ({examples}, ...); at most {MAX_LABELS} "
            "are allowed: name the right column with data.label=, or merge rare classes"
        )
