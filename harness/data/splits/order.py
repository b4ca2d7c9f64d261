"""Puts the values of a column in order: numbers, dates, or texts."""

from __future__ import annotations

import re
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
_MONTHS = ["%b %Y", "%B %Y", "%b-%Y", "%Y-%m", "%Y/%m", "%m/%Y"]
_FORMATS = [f"{day}{clock}" for day in _DAYS for clock in _TIMES]
_FORMATS += [*_MONTHS, "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %Z"]
#: Dates that begin with the year, and need not have two digits for month, day and hour: 2023-1-5.
_YEAR_FIRST = re.compile(r"(\d{4})[-/.\u5e74](\d{1,2})[-/.\u6708](\d{1,2})\u65e5?(?:[T ]+(\d{1,2})(:.+))?")

#: Where no way of writing fits all texts, so many different ones tell what most are.
_NUM_ASKED = 500


def ranks_in_order(column: str, values: Sequence[Any]) -> tuple[np.ndarray, str]:
    """Returns the rank of each value [rows] and what they are: numbers, dates or texts.

    Equal values have one rank; a missing value has -1, so that it comes first.

    Raises:
        DataError: the values are dates whose day and month cannot be told apart; or most are numbers or dates and one
            is not; or numbers stand within texts, which alphabetical order would put wrongly.
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
    if dates is not None:
        return dates, "dates"
    _check_alphabetical(column, texts)
    return texts, "texts in alphabetical order"


def _check_alphabetical(column: str, texts: Sequence[str]) -> None:
    """Refuses texts that are numbers or dates for the most part, or whose numbers have no fixed place."""
    asked = list(dict.fromkeys(texts))[:_NUM_ASKED]
    ways: list[tuple[str, Callable[[str], Any]]] = [("number", _number), ("date", _year_first)]
    ways += [("date", partial(_in_format, form)) for form in _FORMATS]
    for what, parse in ways:
        if sum(_fits(parse, text) for text in asked) * 2 > len(asked):
            odd = next(text for text in texts if not _fits(parse, text))
            like = next(text for text in texts if _fits(parse, text))
            raise DataError(
                f"data.split.by: '{column}': '{odd[:40]}' is no {what} as '{like[:40]}' is; correct it, or leave "
                "it empty"
            )
    with_numbers = [text for text in asked if re.search(r"\d", text)]
    shapes = {re.sub(r"\d", "0", text) for text in with_numbers}
    if len(with_numbers) * 2 > len(asked) and (len(shapes) > 1 or re.search(r"0\D+0000", min(shapes))):
        raise DataError(
            f"data.split.by: '{column}': '{with_numbers[0][:40]}' is neither a number nor a date that is known, and "
            "alphabetical order would put its numbers wrongly; write numbers as 1200, dates as 2024-12-31"
        )


def _number(text: str) -> None:
    if number_of(text) is None:
        raise ValueError(text)


def _fits(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _dates(column: str, texts: Sequence[str]) -> list[datetime] | None:
    """Returns texts as dates; None when no way of writing dates fits all of them."""
    from_year = _parsed(texts, _year_first)
    if from_year is not None:
        return from_year
    parsed = [_parsed(texts, partial(_in_format, form)) for form in _FORMATS]
    fitting = [dates for dates in parsed if dates is not None]
    if any((_ranks(dates) != _ranks(fitting[0])).any() for dates in fitting[1:]):
        raise DataError(
            f"data.split.by: '{column}': in '{texts[0][:40]}' and all other dates, the first number may be the day or "
            "the month; write dates as 2024-12-31"
        )
    return fitting[0] if fitting else None


def _year_first(text: str) -> datetime:
    """Returns a date as ISO 8601 writes it, or with fewer digits and other signs between them.

    Raises:
        ValueError: the text is no such date.
    """
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day, hour, rest = match.groups()
        clock = f"T{hour:0>2}{rest}" if hour else ""
        return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}{clock}")
    return datetime.fromisoformat(text)


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
