"""All metrics where resamples tell nothing: perfect and constant answers, one class, one row, two rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.classification import CLASSIFICATION
from harness.stats.intervals import Interval, wilson
from harness.stats.metric import Arrays, Metric, score
from harness.stats.regression import REGRESSION
from harness.stats.resampling import PairedComparison, compare, interval

METRICS = {metric.name: metric for metric in (*CLASSIFICATION, *REGRESSION)}


def _classes(labels: np.ndarray, predicted: np.ndarray, sure: float = 1.0) -> tuple[Arrays, Arrays]:
    rows = np.arange(len(labels))
    probabilities = np.full((len(labels), 3), (1 - sure) / 2)
    probabilities[rows, predicted] = sure
    return {"probabilities": probabilities, "predictions": predicted * 1.0}, {"labels": labels, "numbers": labels * 1.0}


def _labels(num_rows: int) -> np.ndarray:
    return np.arange(num_rows) % 3


SITUATIONS: dict[str, Callable[[int], tuple[Arrays, Arrays]]] = {
    "all right": lambda rows: _classes(_labels(rows), _labels(rows)),
    "all right, unsure": lambda rows: _classes(_labels(rows), _labels(rows), 0.7),
    "all wrong": lambda rows: _classes(_labels(rows), (_labels(rows) + 1) % 3),
    "always one answer": lambda rows: _classes(_labels(rows), np.ones(rows, dtype=int), 0.6),
    "one class, right": lambda rows: _classes(np.ones(rows, dtype=int), np.ones(rows, dtype=int), 0.9),
    "one class, wrong": lambda rows: _classes(np.ones(rows, dtype=int), np.zeros(rows, dtype=int), 0.9),
    "one row of its class": lambda rows: _classes(np.arange(rows) // max(1, rows - 1), np.zeros(rows, dtype=int), 0.9),
    "one row wrong": lambda rows: _classes(_labels(rows), np.where(np.arange(rows) == 0, 1, _labels(rows))),
}
numbers_of_rows = st.sampled_from([1, 2, 3, 30, 250])


def _is_honest(bounds: Interval) -> bool:
    """True where both bounds are known and apart, or none is known."""
    known = [math.isfinite(bound) for bound in (bounds.low, bounds.high)]
    return not any(known) or (all(known) and bounds.low <= bounds.value <= bounds.high and not bounds.is_point)


def _of_situation(metric: Metric, situation: str, num_rows: int) -> tuple[Interval, Arrays, Arrays]:
    outputs, targets = SITUATIONS[situation](num_rows)
    return interval(metric, outputs, targets), outputs, targets


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
@given(st.sampled_from(sorted(SITUATIONS)), numbers_of_rows, st.booleans())
@settings(max_examples=40, deadline=None)
def test_interval_is_never_a_point(metric: Metric, situation: str, num_rows: int, in_groups: bool) -> None:
    outputs, targets = SITUATIONS[situation](num_rows)
    groups = np.arange(num_rows) // 2 if in_groups else None
    bounds = interval(metric, outputs, targets, groups)
    assert bounds.value == score(metric, outputs, targets) or math.isnan(bounds.value)
    assert _is_honest(bounds)
    assert (metric.low <= bounds.low and bounds.high <= metric.high) or math.isnan(bounds.low)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
@given(*[st.sampled_from(sorted(SITUATIONS))] * 2, numbers_of_rows, st.booleans())
@settings(max_examples=60, deadline=None)
def test_difference_is_never_a_point(metric: Metric, of_a: str, of_b: str, num_rows: int, in_groups: bool) -> None:
    (a, targets), (b, _) = SITUATIONS[of_a](num_rows), SITUATIONS[of_b](num_rows)
    groups = np.arange(num_rows) // 2 if in_groups else None
    found = compare(metric, a, b, targets, groups)
    assert _is_honest(found.difference)
    assert found.tie or not found.difference.low <= 0 <= found.difference.high
    assert found.tie or math.isfinite(found.difference.low), "a difference whose interval is not known is a tie"


@pytest.mark.parametrize(("name", "situation"), [("mcc", "always one answer"), ("macro_f1", "all right")])
@pytest.mark.parametrize("name_of_widths", ["single", "difference"])
def test_width_shrinks_with_the_rows(name: str, situation: str, name_of_widths: str) -> None:
    def width(num_rows: int) -> float:
        bounds, outputs, targets = _of_situation(METRICS[name], situation, num_rows)
        if name_of_widths == "difference":
            bounds = compare(METRICS[name], outputs, outputs, targets).difference
        return bounds.high - bounds.low

    assert 0 < width(300) < 0.2 * width(30)


def test_constant_answer_reaches_a_share_of_the_way_to_both_ends() -> None:
    bounds, *_ = _of_situation(METRICS["mcc"], "always one answer", 90)
    share = wilson(0.0, 90).high
    assert (bounds.value, bounds.low, bounds.high) == pytest.approx((0.0, -share, share))
    bounds, *_ = _of_situation(METRICS["roc_auc"], "always one answer", 90)
    assert (bounds.value, bounds.low, bounds.high) == pytest.approx((0.5, 0.5 - share / 2, 0.5 + share / 2))


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "log_loss"])
def test_perfect_answer_on_a_scale_without_end_has_no_known_interval(name: str) -> None:
    bounds, outputs, targets = _of_situation(METRICS[name], "all right", 30)
    assert bounds.value == (1.0 if name == "r2" else 0.0)
    assert math.isnan(bounds.low) and math.isnan(bounds.high)
    assert compare(METRICS[name], outputs, outputs, targets).tie


def test_area_of_a_single_positive_row_has_no_known_interval() -> None:
    labels = np.arange(50) // 49
    for positive in (0.2, 0.99):
        score_of_one = np.append(np.linspace(0.1, 0.9, 49), positive)
        outputs = {"probabilities": np.stack([1 - score_of_one, score_of_one], axis=1)}
        bounds = interval(METRICS["roc_auc"], outputs, {"labels": labels})
        assert math.isfinite(bounds.value) and math.isnan(bounds.low)


def test_models_that_never_differ_may_yet_differ_on_other_rows() -> None:
    outputs, targets = SITUATIONS["one row wrong"](60)
    found: PairedComparison = compare(METRICS["accuracy"], outputs, outputs, targets)
    assert found.difference.low == -found.difference.high < 0
    grouped = compare(replace(METRICS["accuracy"], is_share=False), outputs, outputs, targets)
    assert grouped.difference.high == pytest.approx(wilson(0.0, 60).high)
