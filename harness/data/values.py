"""Single values of a table: which are missing, which are numbers, and what they are as text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from harness.errors import DataError

__all__ = ["as_text", "is_missing", "number_of"]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
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
    text = str(value)
    # JSON can spell half a surrogate pair, which no UTF-8 file and no tokenizer can.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number_of(text: str) -> Decimal | None:
    """Returns the number that a text is, with all its digits; None for any other text."""
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if abs(number.adjusted()) < MAX_DIGITS else None
