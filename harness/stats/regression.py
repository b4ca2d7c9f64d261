"""The metrics of one number a row: outputs {"predictions": [rows]}, targets {"numbers": [rows]}."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from harness.stats.forms import mean
from harness.stats.metric import Arrays, Metric, ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["REGRESSION"]

#: A variance below this share of the mean square is a rounding error and counts as 0.
_ROUNDING = 1e-12


def _errors(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    errors: np.ndarray = outputs["predictions"].astype(np.float64) - targets["numbers"]
    return errors


def _absolute_errors(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    errors = np.abs(_errors(outputs, targets))
    return np.stack([errors, np.ones_like(errors)], axis=1)


def _squared_errors(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    errors = _errors(outputs, targets) ** 2
    return np.stack([errors, np.ones_like(errors)], axis=1)


def _root_mean(sums: np.ndarray) -> np.ndarray:
    import numpy as np

    root: np.ndarray = np.sqrt(mean(sums))
    return root


def _standardised(values: np.ndarray) -> np.ndarray:
    """Returns the values with mean 0 and spread 1, which changes no correlation and keeps sums of squares exact."""
    import numpy as np

    moved = values.astype(np.float64) - values.mean(dtype=np.float64)
    spread = moved.std()
    standardised: np.ndarray = moved / spread if spread > 0 else moved
    return standardised


def _variance(sum_of_squares: np.ndarray, total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Returns the sum of squares around the mean; 0 where it is a rounding error."""
    import numpy as np

    variance = sum_of_squares - total**2 / count
    return np.where(variance > _ROUNDING * sum_of_squares, variance, 0.0)


def _residuals(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    numbers = targets["numbers"].astype(np.float64)
    moved = numbers - numbers.mean()
    return np.stack([_errors(outputs, targets) ** 2, moved**2, moved, np.ones_like(moved)], axis=1)


def _r2(sums: np.ndarray) -> np.ndarray:
    """Returns the share of the targets' variance that is explained; NaN where they do not vary."""
    residual, squares, total, count = (sums[..., column] for column in range(4))
    return 1 - ratio(residual, _variance(squares, total, count))


def _products(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    a, b = _standardised(outputs["predictions"]), _standardised(targets["numbers"])
    return np.stack([a, b, a * a, b * b, a * b, np.ones_like(a)], axis=1)


def _correlation(sums: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation; NaN where one side does not vary."""
    import numpy as np

    a, b, aa, bb, ab, count = (sums[..., column] for column in range(6))
    spread = np.sqrt(_variance(aa, a, count) * _variance(bb, b, count))
    correlation: np.ndarray = np.clip(ratio(ab - a * b / count, spread), -1.0, 1.0)
    return correlation


def _spearman(outputs: Arrays, targets: Arrays, weights: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation of the ranks in each draw."""
    import numpy as np

    from harness.stats.ranks import weighted_ranks

    count = weights.sum(axis=1)
    middle = (count[:, None] + 1) / 2
    a, b = (weighted_ranks(weights, side) - middle for side in (outputs["predictions"], targets["numbers"]))
    terms = (a, b, a * a, b * b, a * b)
    return _correlation(np.stack([*((weights * term).sum(axis=1) for term in terms), count], axis=1))


REGRESSION: tuple[Metric, ...] = (
    Metric(name="rmse", title="RMSE", maximize=False, low=0.0, high=inf, row_stats=_squared_errors, of_sums=_root_mean),
    Metric(name="mae", title="MAE", maximize=False, low=0.0, high=inf, row_stats=_absolute_errors, of_sums=mean),
    Metric(
        name="r2",
        title="R²",
        maximize=True,
        low=-inf,
        high=1.0,
        needs_variety=True,
        row_stats=_residuals,
        of_sums=_r2,
    ),
    Metric(
        name="spearman",
        title="Spearman's correlation",
        maximize=True,
        low=-1.0,
        high=1.0,
        needs_variety=True,
        value=_spearman,
    ),
    Metric(
        name="pearson",
        title="Pearson's correlation",
        maximize=True,
        low=-1.0,
        high=1.0,
        needs_variety=True,
        row_stats=_products,
        of_sums=_correlation,
    ),
)
