"""Single values of a table: which are missing, which are numbers, and what they are as text."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from typing import Any

from harness.errors import DataError

__all__ = [
    "MISSING_WORDS",
    "as_text",
    "cell_of",
    "is_invisible",
    "is_missing",
    "number_of",
    "remedy_for",
    "whole_number",
]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
#: What spreadsheets, R, pandas and databases write for a value that is missing, in lower case.
MISSING_WORDS = frozenset(["na", "n/a", "#n/a", "<na>", "nan", "null", "none", "\\n"])
#: Categories of signs that are not seen: controls, zero-width signs, spaces; and such signs of other categories.
_UNSEEN = frozenset(["Cc", "Cf", "Zs", "Zl", "Zp"])
_BLANKS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0]")
#: What is written with more digits is no number but a name.
MAX_DIGITS = 60


def is_missing(value: Any) -> bool:
    """True for None, for NaN, and for a text that is empty or white space; the letters "nan" are a text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, (float, Decimal)) and value != value)


def is_invisible(text: str) -> bool:
    """True for a text of which nothing is seen: spaces, zero-width signs, byte order marks, controls, or nothing."""
    if text.isascii() and text.isprintable():
        return not text.strip()
    return all(unicodedata.category(sign) in _UNSEEN or _BLANKS.match(sign) for sign in text)


def as_text(place: str, value: Any, column: str = "") -> str:
    """Returns a value as text; numbers and dates as Python writes them.

    Args:
        place: begins the message of an error.
        value: the value.
        column: the name of its column, by which what is within it could be read.

    Raises:
        DataError: the value is a list, a dictionary or bytes; with what to do.
    """
    if isinstance(value, (list, dict, bytes)):
        what = f"{place} holds a {type(value).__name__}, not a text: {str(value)[:60]}"
        raise DataError(f"{what}; {remedy_for(value, column)}")
    return _sound(str(value))


def remedy_for(value: Any, column: str) -> str:
    """Says what to do with a list, a dictionary or bytes where a text or a number is wanted."""
    if isinstance(value, bytes):
        return "write it as text, in Python with value.decode('utf-8')"
    if isinstance(value, list) and value and all(isinstance(item, dict) and "role" in item for item in value):
        return "chats are read by task: causal-lm, with data.columns.messages"
    path = _path_of_value(value)
    named = f"name what is to be read within it, as '{column}.{path}'" if column and path else ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        joined = "join its items to one text, or read words and a tag for each by task: token-classification"
        return f"{named}, {joined}" if named else joined
    return named or "write what is to be read into a column of its own"


def _path_of_value(value: Any) -> str:
    """Returns the name of the first text or number within a value: `en`, `0.name`; "" where there is none."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, (str, int, float)):
            return str(key)
        if path := _path_of_value(item):
            return f"{key}.{path}"
    return ""


def cell_of(value: Any) -> str:
    """Returns a value as the cell of a CSV: nothing for a missing one, JSON for a list or a dictionary."""
    if value is None or value != value:
        return ""
    return _sound(json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else str(value))


def _sound(text: str) -> str:
    """Returns the text with a sign for half a surrogate pair, which JSON can spell, and no UTF-8 file and tokenizer."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number_of(text: str) -> Decimal | None:
    """Returns the number that a text is, with all its digits; None for any other text."""
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number.adjusted()) < MAX_DIGITS else None


def whole_number(text: str) -> str:
    """Returns a whole number that is written with a point without it: "1.0" as "1"; any other text as it is.

    What has no point keeps its exponent: `1E2` is a code more often than a number.
    """
    number = number_of(text) if "." in text else None
    return str(int(number)) if number is not None and number == int(number) else text
