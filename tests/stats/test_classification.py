from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.classification import CLASSIFICATION
from harness.stats.metric import Metric, scores
from harness.stats.ranks import area_under_roc
from tests.stats.oracle import classified, of_classes, scores_of_classes

METRICS = {metric.name: metric for metric in CLASSIFICATION}


def _scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    return scores(CLASSIFICATION, {"probabilities": probabilities}, {"labels": labels})


@settings(max_examples=40, deadline=None)
@given(classified())
def test_scores_are_those_of_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    assert _scores(*case) == pytest.approx(of_classes(*case), nan_ok=True)


@pytest.mark.parametrize(("num_rows", "num_labels"), [(200, 2), (300, 77), (40, 12)])
def test_scores_of_many_classes_are_those_of_scikit_learn(num_rows: int, num_labels: int) -> None:
    labels, probabilities = scores_of_classes(3, num_rows, num_labels)
    assert _scores(labels, probabilities) == pytest.approx(of_classes(labels, probabilities))


def test_scores_in_single_precision_are_those_of_scikit_learn_to_the_bit() -> None:
    """But for ROC AUC, whose area scikit-learn sums up in another order."""
    labels, probabilities = scores_of_classes(4, 500, 5)
    found, expected = (score_of(labels, probabilities.astype(np.float32)) for score_of in (_scores, of_classes))
    assert {**found, "roc_auc": 0} == {**expected, "roc_auc": 0}


def test_roc_auc_of_one_class_is_none() -> None:
    assert math.isnan(_scores(np.zeros(20, dtype=np.int64), np.full((20, 3), 1 / 3))["roc_auc"])


@settings(max_examples=15, deadline=None)
@given(classified(), st.integers(0, 100))
def test_weights_count_as_repeated_rows(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, probabilities = case
    times = np.random.default_rng(seed).integers(0, 3, size=len(labels))
    times[0] = 1
    rows = np.repeat(np.arange(len(labels)), times)
    expected = of_classes(labels[rows], probabilities[rows])
    for metric in CLASSIFICATION:
        assert _weighted(metric, labels, probabilities, times) == pytest.approx(expected[metric.name], nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(classified(), st.integers(0, 100))
def test_areas_of_many_draws_are_those_of_each(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, probabilities = case
    weights = np.random.default_rng(seed).integers(0, 3, size=(150, len(labels))).astype(float)
    scores, positive = probabilities[:, 0], labels == 0
    each = np.concatenate([area_under_roc(draw[None, :], scores, positive) for draw in weights])
    assert area_under_roc(weights, scores, positive) == pytest.approx(each, nan_ok=True)


def _weighted(metric: Metric, labels: np.ndarray, probabilities: np.ndarray, times: np.ndarray) -> float:
    outputs, targets = {"probabilities": probabilities}, {"labels": labels}
    if metric.row_stats is not None and metric.of_sums is not None:
        return float(metric.of_sums(times @ metric.row_stats(outputs, targets).astype(float)))
    assert metric.value is not None
    return float(metric.value(outputs, targets, times[None, :].astype(float))[0])
