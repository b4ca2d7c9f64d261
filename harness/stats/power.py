"""The smallest difference of two models that a number of test rows can show."""

from __future__ import annotations

from math import isfinite, nan, sqrt

import numpy as np

from harness.stats.draws import resampled
from harness.stats.intervals import Interval
from harness.stats.metric import Arrays, Metric, num_rows, score

__all__ = ["DISAGREEMENT", "difference_shown_by", "expected_difference", "smallest_difference"]

#: Standard errors between 0 and a difference that is called one, at a level of 5 %, in 8 of 10 samples.
DETECTABLE = 1.96 + 0.84
#: Before a study: the share of rows on which one of two models is right and the other wrong.
DISAGREEMENT = 0.2
#: Before a study: the correlation, over the rows, of what each row adds to the scores of two models.
CORRELATION = 0.5
#: A spread up to this is of rounding errors alone.
_ROUNDING = 1e-12


def smallest_difference(num_rows: int, disagreement: float = DISAGREEMENT) -> float:
    """Returns the smallest difference of two shares on the same rows that McNemar's test shows in 8 of 10 samples.

    The variance of a paired difference is at most `disagreement / num_rows` (Connor 1987). Models differ on at least as
    many rows as their shares do: where few rows need a larger difference, they disagree on that share of them. NaN
    where no difference is large enough.
    """
    if not num_rows:
        return nan
    smallest = DETECTABLE * sqrt(disagreement / num_rows)
    if smallest > disagreement:
        smallest = DETECTABLE**2 / num_rows
    return smallest if smallest <= 1 else nan


def difference_shown_by(difference: Interval) -> float:
    """Returns the smallest difference that is shown in 8 of 10 samples, from the 95 % interval of a paired difference.

    It assumes that the standard error is the same whatever the difference is. NaN where the interval has no width but
    that of rounding errors.
    """
    error = difference.standard_error
    return DETECTABLE * error if isfinite(error) and not difference.is_point else nan


def expected_difference(metric: Metric, outputs: Arrays, targets: Arrays, num_test_rows: int) -> float:
    """Returns the smallest difference of any metric that `num_test_rows` rows are expected to show in 8 of 10 samples.

    It is computed from the bootstrap's standard error of one simple model's score on other rows of the same kind. It
    assumes that two models are as uncertain as this one, that what a row adds to their scores correlates as
    `CORRELATION` says, and that the standard error falls with the square root of the number of rows. NaN where the
    score is undefined, or the same in all resamples.
    """
    if not isfinite(score(metric, outputs, targets)):
        return nan
    error = float(np.nanstd(resampled(metric, [outputs], targets, None, seed=0)))
    error_ratio = sqrt(2 * (1 - CORRELATION) * num_rows(targets) / num_test_rows)
    return DETECTABLE * error_ratio * error if error > _ROUNDING else nan
