"""Single values of a table: which are missing, which are numbers, and what they are as text."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from harness.errors import DataError

__all__ = ["MISSING_WORDS", "as_text", "cell_of", "is_missing", "number_of", "whole_number"]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
#: What spreadsheets, R, pandas and databases write for a value that is missing, in lower case.
MISSING_WORDS = frozenset(["na", "n/a", "#n/a", "<na>", "nan", "null", "none", "\\n"])
#: What is written with more digits is no number but a name.
MAX_DIGITS = 60


def is_missing(value: Any) -> bool:
    """True for None, for NaN, and for a text that is empty or white space; the letters "nan" are a text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, (float, Decimal)) and value != value)


def as_text(place: str, value: Any) -> str:
    """Returns a value as text; numbers and dates as Python writes them.

    Raises:
        DataError: the value is a list, a dictionary or bytes; `place` begins the message.
    """
    if isinstance(value, (list, dict, bytes)):
        raise DataError(f"{place} holds a {type(value).__name__}, not a text: {str(value)[:60]}")
    return _sound(str(value))


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
