"""The kind of fields that hold real numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np

from harness.data.kinds.base import Kind
from harness.data.values import MISSING_WORDS, is_missing, remedy_for
from harness.errors import DataError

__all__ = ["Number", "as_number"]

#: Numbers are stratified by this many quantiles at most, each of at least this many rows.
MAX_BINS, MIN_BIN_ROWS = 10, 10
#: Numbers beyond it have no square in fp32's range.
LARGEST = 1e18
_COMMAS = re.compile(r"[+-]?[\d.]*(,\d+)+(\.\d*)?")


class Number(Kind):
    """Real numbers, float64."""

    dtype = "float64"
    target = "numbers"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the numbers, as float."""
        return [
            as_number(f"{place}: row {row}: '{column}'", value, column) for row, value in enumerate(values, start=1)
        ]

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


def as_number(place: str, value: Any, column: str) -> float | None:
    """Returns a finite number, or None for a missing one, which may be written as NA or null.

    Raises:
        DataError: the value is no number; `place` begins the message.
    """
    if is_missing(value) or (isinstance(value, str) and value.strip().lower() in MISSING_WORDS):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        remedy = f"; {remedy_for(value, column)}" if isinstance(value, (list, dict)) else ""
        raise DataError(f"{place} holds a {type(value).__name__}, not a number: {str(value)[:60]}{remedy}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        has_comma = isinstance(value, str) and _COMMAS.fullmatch(value.strip())
        remedy = (
            "a point for a decimal comma, nothing between thousands" if has_comma else "12.5 or 1e-3, without units"
        )
        raise DataError(f"{place} is {str(value)[:60]!r}, which is not a number; write {remedy}")
    if abs(number) > LARGEST:
        raise DataError(f"{place} is {str(value)[:60]!r}, more than {LARGEST:g}; give the numbers in a larger unit")
    return number
