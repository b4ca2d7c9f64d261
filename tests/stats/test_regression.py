from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.stats.metric import Metric, scores
from harness.stats.ranks import weighted_ranks
from harness.stats.regression import REGRESSION
from tests.stats.oracle import of_numbers

numbers = st.lists(st.integers(-5, 5), min_size=3, max_size=40)
pairs = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=40)


def _scores(predictions: np.ndarray, truths: np.ndarray) -> dict[str, float]:
    return scores(REGRESSION, {"predictions": predictions}, {"numbers": truths})


@settings(max_examples=50, deadline=None)
@given(pairs)
def test_scores_are_those_of_scikit_learn_and_scipy(rows: list[tuple[int, int]]) -> None:
    arrays = np.array(rows, dtype=float).T
    assume(all(len(set(side)) > 1 for side in arrays.tolist()))
    assert _scores(*arrays) == pytest.approx(of_numbers(*arrays), abs=1e-9)


def test_scores_of_large_numbers_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    truths = 1e7 + rng.normal(size=300)
    predictions = truths + rng.normal(size=300)
    assert _scores(predictions, truths) == pytest.approx(of_numbers(predictions, truths), rel=1e-6)


def test_single_precision_is_enough() -> None:
    rng = np.random.default_rng(1)
    truths = rng.normal(size=300)
    predictions = (truths + rng.normal(size=300)).astype(np.float32)
    assert _scores(predictions, truths) == pytest.approx(of_numbers(predictions, truths), rel=1e-6)


def test_scores_of_targets_that_do_not_vary_are_none_but_for_the_errors() -> None:
    found = _scores(np.array([0.1, 0.2, 0.3]), np.full(3, 0.1))
    assert [name for name, value in found.items() if math.isnan(value)] == ["r2", "spearman", "pearson"]
    assert found["mae"] == pytest.approx(0.1)


@pytest.mark.parametrize("metric", REGRESSION, ids=lambda metric: metric.name)
@given(numbers, st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_weights_count_as_repeated_rows(metric: Metric, truths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.array(truths, dtype=float)
    p = y + rng.integers(-2, 3, size=len(y))
    times = rng.integers(0, 3, size=len(y))
    rows = np.repeat(np.arange(len(y)), times)
    assume(len(set(y[rows])) > 1 and len(set(p[rows])) > 1)
    outputs, targets = {"predictions": p}, {"numbers": y}
    if metric.row_stats is not None and metric.of_sums is not None:
        found = float(metric.of_sums(times @ metric.row_stats(outputs, targets)))
    else:
        assert metric.value is not None
        found = float(metric.value(outputs, targets, times[None, :].astype(float))[0])
    assert found == pytest.approx(of_numbers(p[rows], y[rows])[metric.name], abs=1e-9)


def test_equal_scores_have_their_mean_rank() -> None:
    ranks = weighted_ranks(np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 1.0, 1.0]]), np.array([5.0, 7.0, 7.0, 9.0]))
    assert ranks[0].tolist() == [1.0, 2.5, 2.5, 4.0]
    assert ranks[1][[0, 2, 3]].tolist() == [1.5, 3.0, 4.0]
