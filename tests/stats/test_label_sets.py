"""The metrics of several labels a row, and the threshold from which on a label is given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.label_sets import LABEL_SETS
from harness.stats.metric import Metric, scores
from harness.stats.resampling import compare, interval
from harness.stats.thresholds import best_threshold
from tests.stats.oracle import of_label_sets

METRICS = {metric.name: metric for metric in LABEL_SETS}
Case = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def labelled(draw: st.DrawFn) -> Case:
    """True labels, probabilities and decisions of a few rows: labels may be absent, probabilities equal."""
    num_rows, num_labels = draw(st.integers(1, 20)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    probabilities = rng.integers(1, draw(st.sampled_from((4, 100))), size=(num_rows, num_labels)) / 100
    true = rng.random((num_rows, num_labels)) < rng.choice([0.0, 0.3, 0.8], size=num_labels)
    return true.astype(np.uint8), probabilities, probabilities >= draw(st.sampled_from((0.02, 0.5, 2.0)))


def of_case(true: np.ndarray, probabilities: np.ndarray, decisions: np.ndarray) -> dict[str, float]:
    return scores(LABEL_SETS, {"probabilities": probabilities, "decisions": decisions}, {"label_sets": true})


@settings(max_examples=60, deadline=None)
@given(labelled())
def test_scores_are_those_of_scikit_learn(case: Case) -> None:
    assert of_case(*case) == pytest.approx(of_label_sets(*case), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(labelled(), st.integers(0, 100))
def test_weights_count_as_repeated_rows(case: Case, seed: int) -> None:
    times = np.random.default_rng(seed).integers(0, 3, size=len(case[0]))
    times[0] = 1
    rows = np.repeat(np.arange(len(times)), times)
    expected = of_label_sets(*(part[rows] for part in case))
    metric = METRICS["average_precision"]
    assert metric.value is not None
    outputs = {"probabilities": case[1], "decisions": case[2]}
    found = metric.value(outputs, {"label_sets": case[0]}, times[None].astype(float))
    assert found[0] == pytest.approx(expected["average_precision"], nan_ok=True)


@pytest.mark.parametrize("metric", LABEL_SETS, ids=lambda metric: metric.name)
def test_interval_holds_the_value_and_a_better_model_is_told(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    true = rng.random((300, 4)) < 0.3
    models = [np.clip(0.6 * true + noise * rng.random(true.shape), 0.01, 0.99) for noise in (0.35, 0.9)]
    good, bad = ({"probabilities": said, "decisions": said >= 0.5} for said in models)
    bounds = interval(metric, good, {"label_sets": true})
    assert bounds.low < bounds.value < bounds.high or bounds.value in (metric.low, metric.high)
    found = compare(metric, good, bad, {"label_sets": true})
    assert not found.tie
    assert found.probability > 0.99


def test_average_precision_without_a_label_is_none() -> None:
    none = np.zeros((5, 3), dtype=np.uint8)
    assert math.isnan(of_case(none, np.full((5, 3), 0.2), none > 0)["average_precision"])


def f1(true: np.ndarray, given: np.ndarray) -> float:
    return 2 * float((true & given).sum()) / max(1, int(true.sum() + given.sum()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_no_threshold_has_a_higher_f1(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, true = rng.integers(0, 12, size=count) / 12, rng.random(count) < 0.4
    found = best_threshold(probabilities, true)
    if not true.any():
        assert found == 0.5
        return
    best = max(f1(true, probabilities >= cut) for cut in np.unique(probabilities))
    assert f1(true, probabilities >= found) == pytest.approx(best)
    assert found == 0.0 or not np.isclose(probabilities, found, atol=1e-6).any(), "between two probabilities"
