"""A metric: its facts and its formula.

A metric's value, its interval and the paired comparison of two models (`resampling`) all follow from that formula.
numpy is imported inside functions, so that a study file can be read and checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.stats.ragged import Ragged, by_row

if TYPE_CHECKING:
    import numpy as np

__all__ = ["COSTS", "NATS", "Arrays", "Metric", "num_rows", "of_function", "rank_key", "ratio", "score", "scores"]

Arrays: TypeAlias = Mapping[str, Any]
"""Arrays by name, all with the rows of a split in one order: dense, the rows on the first axis, or `Ragged`."""

#: The unit of a mean negative log-likelihood of the rows' targets.
NATS = "nats"
#: Two measurements of one cost differ by about as much: costs that are nearer to each other may be equal.
COST_STEP = 0.02
RowStats: TypeAlias = "Callable[[Arrays, Arrays], np.ndarray]"
OfSums: TypeAlias = "Callable[[np.ndarray], np.ndarray]"
Value: TypeAlias = "Callable[[Arrays, Arrays, np.ndarray], np.ndarray]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number that a trial is judged by: its name, how it is shown, and how it is computed.

    The formula is either `row_stats(outputs, targets)`, the numbers [rows, k] that each row adds, with
    `of_sums(sums [..., k]) -> [...]`; or, where the metric is no function of such sums,
    `value(outputs, targets, weights [draws, rows]) -> [draws]`: the metric of each draw, in which a row occurs as often
    as its weight says. Weights of one give the metric itself. Costs (speed, memory) are measured and have no formula,
    and neither has the copy of a user's metric in a run's manifest.

    `title` is the name for readers; `percent` says that it is shown as 95.8 %. `is_share` says that it is the mean of
    0 or 1 over the rows; its `row_stats` are then [hit, 1]. `needs_variety` says that it is undefined where all rows
    have the same target. `is_cost` is true for a metric that is measured while a
    model trains, and not computed from its outputs.

    `needs` is the output without which the metric is not known, where some models or evaluations lack it. `is_written`
    says that it judges text which a model writes: for some of the rows, and only at the end of a training; the last
    column of its `row_stats` is 0 for the other rows. `by_tokens` says that its value depends on how a tokenizer cuts
    texts, so that models with different tokenizers cannot be compared by it; the last column of its `row_stats` is the
    number of tokens.
    """

    name: str
    title: str
    maximize: bool
    low: float
    high: float
    unit: str = ""
    percent: bool = False
    is_share: bool = False
    needs_variety: bool = False
    is_cost: bool = False
    needs: str = ""
    is_written: bool = False
    by_tokens: bool = False
    row_stats: RowStats | None = None
    of_sums: OfSums | None = None
    value: Value | None = None

    def __post_init__(self) -> None:
        if (self.row_stats is None) != (self.of_sums is None):
            raise ValueError(f"metric '{self.name}' has one of row_stats and of_sums; give both")
        if self.row_stats is not None and self.value is not None:
            raise ValueError(f"metric '{self.name}' has two formulas; give row_stats and of_sums, or value")
        if not self.low <= self.high:
            raise ValueError(f"metric '{self.name}': low {self.low} is not at most high {self.high}")

    @property
    def is_like_share(self) -> bool:
        """True for a percentage from 0 to 100: on few rows it is about as uncertain as a share of them."""
        return self.percent and (self.low, self.high) == (0.0, 1.0)

    @property
    def has_formula(self) -> bool:
        """True when it can be computed from outputs and targets."""
        return self.row_stats is not None or self.value is not None

    def is_known(self, outputs: Arrays) -> bool:
        """True when `outputs` have what the metric is computed from."""
        return not self.needs or self.needs in outputs

    def is_shown_as(self, other: Metric) -> bool:
        """True when both have the same facts, whatever their formulas are."""
        names = ("title", "maximize", "low", "high", "unit", "percent", "is_share", "is_cost")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    @property
    def worst(self) -> float:
        """The value that a failed trial counts with."""
        return self.low if self.maximize else self.high

    def better(self, a: float, b: float) -> bool:
        """True when `a` is strictly better than `b`."""
        return a > b if self.maximize else a < b

    def compared(self, value: float) -> float:
        """Returns the value as it counts in comparisons: a cost is rounded to steps of `COST_STEP`."""
        if not self.is_cost or not isfinite(value) or value <= 0:
            return value
        return exp(round(log(value) / COST_STEP) * COST_STEP)

    def sort_key(self, value: float | None) -> float:
        """Returns a key that sorts the best value first; a missing value or NaN comes last, near costs are equal."""
        if value is None or value != value:
            return inf
        return -self.compared(value) if self.maximize else self.compared(value)


def rank_key(metrics: Mapping[str, float], objective: Metric, loss: Metric) -> tuple[float, float]:
    """Returns a key that sorts the better trial first: by the objective, and among equals by the lower loss."""
    return objective.sort_key(metrics.get(objective.name)), loss.sort_key(metrics.get(loss.name))


def num_rows(targets: Arrays) -> int:
    """Returns how many rows the arrays hold."""
    return len(next(iter(targets.values())))


def score(metric: Metric, outputs: Arrays, targets: Arrays) -> float:
    """Returns the metric of `outputs` for `targets`; NaN without rows or what it needs, and where an output is NaN.

    Raises:
        ValueError: the metric has no formula.
    """
    import numpy as np

    if not metric.has_formula:
        raise ValueError(f"{metric.name} has no formula; it cannot be computed from outputs")
    if not metric.is_known(outputs) or not num_rows(targets) or any(_holds_nan(array) for array in outputs.values()):
        return nan
    if metric.row_stats is not None and metric.of_sums is not None:
        return float(metric.of_sums(_column_sums(metric.row_stats(outputs, targets))))
    if metric.value is not None:
        return float(metric.value(outputs, targets, np.ones((1, num_rows(targets))))[0])
    return nan


def _holds_nan(array: np.ndarray | Ragged) -> bool:
    import numpy as np

    values = array.values if isinstance(array, Ragged) else array
    return values.dtype.kind == "f" and bool(np.isnan(values).any())


def scores(metrics: Iterable[Metric], outputs: Arrays, targets: Arrays) -> dict[str, float]:
    """Returns the value of each metric that the outputs have what it needs for, by its name."""
    return {metric.name: score(metric, outputs, targets) for metric in metrics if metric.is_known(outputs)}


def _column_sums(row_stats: np.ndarray) -> np.ndarray:
    """Returns the sum of each column [k]; column by column, because numpy then adds in pairs, which rounds less."""
    import numpy as np

    sums: np.ndarray = np.ascontiguousarray(row_stats.T).sum(axis=1)
    return sums


def ratio(above: Any, below: Any, empty: float = nan) -> np.ndarray:
    """Returns `above / below`, and `empty` where `below` is 0."""
    import numpy as np

    ratios = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), empty)
    np.divide(above, below, out=ratios, where=np.asarray(below) != 0)
    return ratios


def of_function(function: Callable[[Arrays, Arrays], float]) -> Value:
    """Turns a plain function of (outputs, targets) into a metric's `value`; it is called once for each draw."""

    def value(outputs: Arrays, targets: Arrays, weights: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.array([function(_drawn(outputs, draw), _drawn(targets, draw)) for draw in weights], dtype=float)

    return value


def _drawn(arrays: Arrays, draw: np.ndarray) -> Arrays:
    """Returns the arrays with each row as often as `draw` [rows] says."""
    import numpy as np

    rows = np.repeat(np.arange(len(draw)), draw.astype(np.int64))
    return by_row(arrays, rows)


COSTS: dict[str, Metric] = {
    cost.name: cost
    for cost in (
        Metric(
            name="samples_per_second", title="samples/s", maximize=True, low=0.0, high=inf, unit="1/s", is_cost=True
        ),
        Metric(name="tokens_per_second", title="tokens/s", maximize=True, low=0.0, high=inf, unit="1/s", is_cost=True),
        Metric(
            name="predicted_samples_per_second",
            title="predicted samples/s",
            maximize=True,
            low=0.0,
            high=inf,
            unit="1/s",
            is_cost=True,
        ),
        Metric(
            name="peak_memory_mib", title="peak memory", maximize=False, low=0.0, high=inf, unit="MiB", is_cost=True
        ),
    )
}
