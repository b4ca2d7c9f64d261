"""Puts the values of a column in order: numbers, dates, or texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

import numpy as np

from harness.data.values import as_text, is_missing, number_of
from harness.errors import DataError

__all__ = ["ranks_in_order"]

_DAYS = [
    f"{first}{mark}{second}{mark}{year}"
    for mark in "/.-"
    for year in ("%Y", "%y")
    for first, second in (("%d", "%m"), ("%m", "%d"))
]
_DAYS += ["%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y"]
_TIMES = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p"]
_FORMATS = [f"{day}{clock}" for day in _DAYS for clock in _TIMES]
_FORMATS += ["%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %Z"]


def ranks_in_order(column: str, values: Sequence[Any]) -> tuple[np.ndarray, str]:
    """Returns the rank of each value [rows] and what they are: numbers, dates or texts.

    Equal values have one rank; a missing value has -1, so that it comes first.

    Raises:
        DataError: the values are dates whose day and month cannot be told apart.
    """
    known = np.array([not is_missing(value) for value in values], dtype=bool)
    keys, kind = _keys(column, [value for value in values if not is_missing(value)])
    ranks = np.full(len(values), -1, dtype=np.int64)
    ranks[known] = _ranks(keys)
    return ranks, kind


def _ranks(keys: Sequence[Any]) -> np.ndarray:
    rank_of = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.array([rank_of[key] for key in keys], dtype=np.int64)


def _keys(column: str, values: Sequence[Any]) -> tuple[Sequence[Any], str]:
    """Returns what the values are compared by, and what they are."""
    if all(isinstance(value, date) for value in values):
        return [_moment(value) for value in values], "dates"
    texts = [as_text(f"'{column}'", value).strip() for value in values]
    numbers = [number_of(text) for text in texts]
    if all(number is not None for number in numbers):
        return numbers, "numbers"
    dates = _dates(column, texts)
    return (texts, "texts") if dates is None else (dates, "dates")


def _dates(column: str, texts: Sequence[str]) -> list[datetime] | None:
    """Returns texts as dates; None when no way of writing dates fits all of them."""
    iso = _parsed(texts, datetime.fromisoformat)
    if iso is not None:
        return iso
    parsed = [_parsed(texts, partial(_in_format, form)) for form in _FORMATS]
    fitting = [dates for dates in parsed if dates is not None]
    if any((_ranks(dates) != _ranks(fitting[0])).any() for dates in fitting[1:]):
        raise DataError(
            f"data.split.by: '{column}': in '{texts[0][:40]}' and all other dates, the first number may be the day or "
            "the month; write dates as 2024-12-31"
        )
    return fitting[0] if fitting else None


def _in_format(form: str, text: str) -> datetime:
    return datetime.strptime(text, form)


def _parsed(texts: Sequence[str], parse: Callable[[str], datetime]) -> list[datetime] | None:
    try:
        return [_moment(parse(text)) for text in texts]
    except ValueError:
        return None


def _moment(value: date) -> datetime:
    """Returns the moment of a date; one without a time zone is in UTC."""
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
