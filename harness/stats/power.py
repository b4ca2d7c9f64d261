"""The smallest difference of two models that a number of test rows can show."""

from __future__ import annotations

from math import sqrt

__all__ = ["DETECTABLE", "DISAGREEMENT", "smallest_difference"]

#: Standard errors between 0 and a difference that is called one, at a level of 5 %, in 8 of 10 samples.
DETECTABLE = 1.96 + 0.84
#: Before a study: the share of rows on which one of two models is right and the other wrong.
DISAGREEMENT = 0.2


def smallest_difference(num_rows: int, disagreement: float = DISAGREEMENT) -> float:
    """Returns the smallest difference of two shares on the same rows that McNemar's test shows in 8 of 10 samples.

    The variance of a paired difference is at most `disagreement / num_rows` (Connor 1987).
    """
    return DETECTABLE * sqrt(disagreement / num_rows) if num_rows else float("nan")
