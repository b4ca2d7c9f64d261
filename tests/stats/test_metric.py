from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.stats.classification import CLASSIFICATION
from harness.stats.metric import COSTS, Arrays, Metric, num_rows, of_function, rank_key, ratio, score
from harness.stats.ragged import Ragged
from harness.stats.regression import REGRESSION
from harness.stats.resampling import compare, interval

BY_NAME = {metric.name: metric for metric in (*CLASSIFICATION, *REGRESSION)}


def test_metric_has_one_formula() -> None:
    with pytest.raises(ValueError, match="'half' has one of row_stats and of_sums"):
        Metric(name="half", title="half", maximize=True, low=0, high=1, row_stats=lambda outputs, targets: np.ones(1))
    with pytest.raises(ValueError, match="'both' has two formulas"):
        Metric(
            name="both",
            title="both",
            maximize=True,
            low=0,
            high=1,
            row_stats=lambda outputs, targets: np.ones((1, 1)),
            of_sums=lambda sums: sums,
            value=lambda outputs, targets, weights: np.ones(1),
        )


@pytest.mark.parametrize(("low", "high"), [(1.0, 0.0), (math.nan, 1.0)])
def test_bounds_of_a_metric_are_in_order(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"'own': low .* is not at most high"):
        Metric(name="own", title="own", maximize=True, low=low, high=high)


@pytest.mark.parametrize("name", list(COSTS))
def test_cost_is_not_computed(name: str) -> None:
    assert COSTS[name].is_cost
    with pytest.raises(ValueError, match=f"{name} has no formula"):
        score(COSTS[name], {}, {"labels": np.zeros(1)})


def test_costs_within_the_noise_of_measuring_are_equal() -> None:
    memory, speed = COSTS["peak_memory_mib"], COSTS["samples_per_second"]
    assert memory.sort_key(600.3) == memory.sort_key(601.1) < memory.sort_key(640.0)
    assert speed.sort_key(1010.0) < speed.sort_key(960.0)
    assert memory.compared(600.0) == pytest.approx(600.0, rel=0.011)
    assert [memory.compared(value) for value in (0.0, math.inf)] == [0.0, math.inf]


@pytest.mark.parametrize("metric", BY_NAME.values(), ids=list(BY_NAME))
def test_better_worst_and_sort_key_agree(metric: Metric) -> None:
    better, worse = (0.75, 0.25) if metric.maximize else (0.25, 0.75)
    assert metric.better(better, worse)
    assert not metric.better(worse, better)
    assert metric.sort_key(better) < metric.sort_key(worse) < metric.sort_key(math.nan) == metric.sort_key(None)
    assert metric.worst == (metric.low if metric.maximize else metric.high)


def test_rank_key_goes_by_the_loss_where_the_objective_is_equal() -> None:
    accuracy, loss = BY_NAME["accuracy"], BY_NAME["log_loss"]
    trials = [{"accuracy": 0.5, "log_loss": 0.7}, {"accuracy": 0.9}, {"accuracy": 0.5, "log_loss": 0.6}, {}]
    ranked = sorted(trials, key=lambda metrics: rank_key(metrics, accuracy, loss))
    assert ranked == [trials[1], trials[2], trials[0], trials[3]]


@pytest.mark.parametrize("metric", CLASSIFICATION, ids=lambda metric: metric.name)
def test_score_of_outputs_that_are_not_numbers_is_none(metric: Metric) -> None:
    outputs = {"probabilities": np.array([[0.5, 0.5], [math.nan, math.nan]])}
    assert math.isnan(score(metric, outputs, {"labels": np.array([0, 1])}))


@pytest.mark.parametrize("metric", CLASSIFICATION, ids=lambda metric: metric.name)
def test_score_without_rows_is_none(metric: Metric) -> None:
    outputs, targets = {"probabilities": np.zeros((0, 3))}, {"labels": np.zeros(0, dtype=np.int64)}
    assert math.isnan(score(metric, outputs, targets))
    assert math.isnan(interval(metric, outputs, targets).value)


def test_ratio_by_zero_is_what_it_is_told() -> None:
    assert ratio(np.array([1, 1]), np.array([2, 0]), empty=-1.0).tolist() == [0.5, -1.0]
    assert math.isnan(ratio(1.0, 0.0))


def test_plain_function_gives_the_value_and_the_interval_of_the_formula() -> None:
    def mean_error(outputs: Arrays, targets: Arrays) -> float:
        return float(np.abs(outputs["predictions"] - targets["numbers"]).mean())

    own = Metric(name="own", title="own", maximize=False, low=0, high=math.inf, value=of_function(mean_error))
    rng = np.random.default_rng(0)
    outputs, targets = {"predictions": rng.normal(size=60)}, {"numbers": rng.normal(size=60)}
    assert num_rows(targets) == 60
    found, expected = interval(own, outputs, targets), interval(BY_NAME["mae"], outputs, targets)
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_metric_of_ragged_rows_has_a_value_an_interval_and_a_comparison() -> None:
    """The share of right tags, each row with as many as it has; by sums and by a plain function it is the same."""
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 5, size=40))])
    tags = rng.integers(3, size=offsets[-1])
    said = [np.where(rng.random(len(tags)) < right, tags, (tags + 1) % 3) for right in (0.9, 0.4)]
    better, worse = ({"tags": Ragged(values=values, offsets=offsets)} for values in said)
    targets = {"tags": Ragged(values=tags, offsets=offsets)}

    def row_stats(outputs: Arrays, targets: Arrays) -> np.ndarray:
        hits = (outputs["tags"].values == targets["tags"].values).astype(np.int64)
        starts = targets["tags"].offsets
        return np.stack([np.add.reduceat(hits, starts[:-1]), np.diff(starts)], axis=1)

    def share(outputs: Arrays, targets: Arrays) -> float:
        return float((outputs["tags"].values == targets["tags"].values).mean())

    facts: dict[str, Any] = {"title": "tag accuracy", "maximize": True, "low": 0.0, "high": 1.0}
    by_sums = Metric(name="sums", row_stats=row_stats, of_sums=lambda sums: ratio(sums[..., 0], sums[..., 1]), **facts)
    by_value = Metric(name="value", value=of_function(share), **facts)
    for metric in (by_sums, by_value):
        assert score(metric, better, targets) == pytest.approx((said[0] == tags).mean())
        bounds = interval(metric, better, targets)
        assert bounds.low < bounds.value < bounds.high < 1
        compared = compare(metric, better, worse, targets)
        assert compared.probability > 0.99
        assert not compared.tie
    broken = {"tags": Ragged(values=np.where(tags == 0, math.nan, tags), offsets=offsets)}
    assert math.isnan(score(by_sums, broken, targets))


@pytest.mark.parametrize("metric", [*CLASSIFICATION, *REGRESSION], ids=lambda metric: metric.name)
def test_metrics_that_need_variety_are_those_that_are_undefined_without_it(metric: Metric) -> None:
    outputs: dict[str, np.ndarray]
    if metric in CLASSIFICATION:
        outputs, targets = {"probabilities": np.array([[0.4, 0.6], [0.7, 0.3]])}, {"labels": np.array([1, 1])}
    else:
        outputs, targets = {"predictions": np.array([1.0, 2.0])}, {"numbers": np.array([1.5, 1.5])}
    assert np.isnan(score(metric, outputs, targets)) == metric.needs_variety
