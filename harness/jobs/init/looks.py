"""Tells by the values of a column which kind of field it may be: texts, classes, numbers, lists of labels, tags, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from harness.data.kinds.label import MAX_LABELS
from harness.data.kinds.label_set import SEPARATORS
from harness.data.pictures.folders import ENDINGS
from harness.data.values import is_missing, number_of

__all__ = ["NUMBER_BY_VALUE", "WEIGHTS", "are_ids", "looks_like", "sampled", "separator_of"]

#: So many values of a column are looked at.
MOST = 2000
#: From so many different whole numbers on, and from this share of the rows, they are measured rather than named.
MANY_NUMBERS, NUMBER_SHARE = 20, 0.1
#: How much it says of a task that a column of this kind was found; a text may be anything.
WEIGHTS: Mapping[str, float] = {
    "tags": 9, "answers": 9, "messages": 9, "image": 9, "completion": 6, "label_set": 5, "number": 4, "label": 3,
    "text": 1, "words": 1, "prompt": 1, "document": 0.5,
}  # fmt: skip
#: What a column of numbers says whose name says nothing: less than a label.
NUMBER_BY_VALUE = 2


def sampled(values: Sequence[Any]) -> list[Any]:
    """Returns the first values that are not missing."""
    return list(islice((value for value in values if not is_missing(value)), MOST))


def looks_like(kind: str, values: Sequence[Any]) -> bool:
    """Returns True when values that are not missing may be a field of this kind."""
    test = _TESTS.get(kind)
    return bool(values) and test is not None and test(values)


def separator_of(values: Sequence[Any]) -> str | None:
    """Returns the sign between labels where cells hold several, whose parts come again and again; else None."""
    for sign in SEPARATORS:
        if not all(isinstance(value, str) for value in values) or not any(sign in value for value in values):
            continue
        parts = [part.strip() for value in values for part in value.split(sign)]
        is_short = all(part and len(part.split()) <= 3 for part in parts)
        if is_short and len(set(parts)) <= MAX_LABELS and 2 * len(set(parts)) <= len(values):
            return sign
    return None


def _texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values) and not _numbers(values)


def _labels(values: Sequence[Any]) -> bool:
    if not all(isinstance(value, (str, int, float, bool)) for value in values):
        return False
    numbers = [_number(value) for value in values]
    if any(number is not None and number % 1 for number in numbers):
        return False
    kinds = len({str(value) for value in values})
    return 1 < kinds <= MAX_LABELS and 2 * kinds <= len(values)


def _measured(values: Sequence[Any]) -> bool:
    if not _numbers(values):
        return False
    if any(float(_number(value) or 0) % 1 for value in values):
        return True
    kinds = len({str(value) for value in values})
    return kinds > MANY_NUMBERS and kinds > NUMBER_SHARE * len(values)


def _numbers(values: Sequence[Any]) -> bool:
    return all(_number(value) is not None for value in values)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    found = number_of(str(value).strip())
    return None if found is None else float(found)


def are_ids(values: Sequence[Any]) -> bool:
    """True for whole numbers that are all different, as those of rows, users or messages are."""
    numbers = [_number(value) for value in values]
    return all(number is not None and not number % 1 for number in numbers) and len(set(map(str, values))) == len(
        values
    )


def _lists_of_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, list) and all(isinstance(item, str) for item in value) for value in values)


def _label_sets(values: Sequence[Any]) -> bool:
    if _lists_of_texts(values):
        names = [item for value in values for item in value]
        return 1 < len(set(names)) <= MAX_LABELS and len(names) > len(set(names))
    return separator_of(values) is not None


def _answers(values: Sequence[Any]) -> bool:
    return all(_has("text", value) for value in values)


def _messages(values: Sequence[Any]) -> bool:
    return all(isinstance(value, list) and _has("role", value) for value in values)


def _has(key: str, value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, dict) and key in item for item in items)


def _images(values: Sequence[Any]) -> bool:
    return all(
        (isinstance(value, list) and value and isinstance(value[0], list))
        or (isinstance(value, str) and Path(value).suffix.lower() in ENDINGS)
        or (isinstance(value, dict) and value.keys() >= {"bytes", "path"})
        for value in values
    )


_TESTS: Mapping[str, Callable[[Sequence[Any]], bool]] = {
    "text": _texts,
    "prompt": _texts,
    "completion": _texts,
    "document": _texts,
    "label": _labels,
    "number": _measured,
    "label_set": _label_sets,
    "words": _lists_of_texts,
    "tags": _lists_of_texts,
    "answers": _answers,
    "messages": _messages,
    "image": _images,
}
