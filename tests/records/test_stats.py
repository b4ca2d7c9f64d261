from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.records.stats import (
    accuracy_interval,
    compare_models,
    difference_interval,
    mcnemar_p,
    metric_interval,
    seed_interval,
    wilson,
)
from harness.tasks.metrics import classification_metrics

METRICS = ("accuracy", "macro_f1", "mcc", "roc_auc", "log_loss")


def test_wilson_is_the_textbook_value() -> None:
    # Newcombe 1998, table I: 81 of 263 and 15 of 148.
    found = [wilson(81 / 263, 263), wilson(15 / 148, 148)]
    assert [round(bound.low, 4) for bound in found] == [0.2553, 0.0624]
    assert [round(bound.high, 4) for bound in found] == [0.3662, 0.1605]


def test_difference_interval_is_the_textbook_value() -> None:
    # Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
    found = [
        difference_interval(wilson(a / m, m), wilson(b / n, n)) for a, m, b, n in ((56, 70, 48, 80), (9, 10, 3, 10))
    ]
    assert [(round(gain.low, 4), round(gain.high, 4)) for gain in found] == [(0.0524, 0.3339), (0.1705, 0.8090)]


def test_difference_interval_seldom_calls_equals_different() -> None:
    rng = np.random.default_rng(8)
    shares = zip(rng.binomial(150, 0.9, 2000) / 150, rng.binomial(400, 0.9, 2000) / 400, strict=True)
    gains = [difference_interval(wilson(a, 150), wilson(b, 400)) for a, b in shares]
    assert 0.93 < np.mean([gain.low <= 0 <= gain.high for gain in gains]) < 0.97


def test_wilson_solves_its_equation() -> None:
    bounds = wilson(0.9, 50)
    for bound in (bounds.low, bounds.high):
        assert abs(0.9 - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / 50), rel=1e-5)


@pytest.mark.parametrize("right", [0, 1])
def test_accuracy_interval_at_the_ends_is_not_a_point(right: int) -> None:
    found = accuracy_interval(np.full(20, bool(right)))
    assert found.value == right
    assert 0 <= found.low <= right <= found.high <= 1
    assert found.high - found.low > 0.1


def test_accuracy_interval_without_rows_is_unknown() -> None:
    assert math.isnan(accuracy_interval(np.array([], dtype=bool)).value)


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_holds_its_value(right: int, total: int) -> None:
    share = min(right, total) / total
    found = wilson(share, total)
    assert 0 <= found.low <= share <= found.high <= 1


@pytest.mark.parametrize("right_rate", [0.55, 0.8, 0.95])
def test_interval_covers_the_truth_when_the_winner_was_picked_on_validation(right_rate: float) -> None:
    """2,000 studies of 16 configurations: the best on validation is scored on test once, as the harness does."""
    rng = np.random.default_rng(42)
    covered = 0
    for _ in range(2000):
        truths = np.clip(rng.normal(right_rate, 0.02, size=16), 0, 1)
        winner = int(np.argmax(rng.binomial(200, truths)))
        found = accuracy_interval(rng.random(500) < truths[winner])
        covered += found.low <= truths[winner] <= found.high
    assert 0.93 <= covered / 2000 <= 0.97


def _scores(seed: int, num_rows: int, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_labels, size=num_rows)
    probabilities = rng.dirichlet(np.ones(num_labels), size=num_rows)
    probabilities[np.arange(num_rows), labels] += 0.3
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("num_rows", "num_labels"), [(60, 2), (200, 6), (40, 12), (3, 3)])
def test_metric_interval_has_the_value_that_training_reports(metric: str, num_rows: int, num_labels: int) -> None:
    labels, probabilities = _scores(3, num_rows, num_labels)
    found = metric_interval(metric, labels, probabilities)
    assert found.value == pytest.approx(classification_metrics(labels, probabilities)[metric])
    assert found.low <= found.value <= found.high


def test_metric_interval_of_equal_scores_counts_ties_half() -> None:
    labels = np.array([0, 1, 0, 1, 1])
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.8, 0.2], [0.1, 0.9], [0.5, 0.5]])
    assert metric_interval("roc_auc", labels, probabilities).value == pytest.approx(
        classification_metrics(labels, probabilities)["roc_auc"]
    )


def test_metric_interval_of_one_class_is_unknown_for_roc_auc() -> None:
    labels = np.zeros(20, dtype=np.int64)
    assert math.isnan(metric_interval("roc_auc", labels, np.full((20, 3), 1 / 3)).value)


def test_metric_interval_without_rows_is_unknown() -> None:
    assert math.isnan(metric_interval("macro_f1", np.array([], dtype=np.int64), np.zeros((0, 3))).value)


def test_log_loss_interval_is_that_of_the_mean() -> None:
    labels, probabilities = _scores(0, 2000, 3)
    losses = -np.log(probabilities[np.arange(2000), labels])
    found = metric_interval("log_loss", labels, probabilities)
    half = 1.96 * losses.std(ddof=1) / math.sqrt(2000)
    assert found.low == pytest.approx(losses.mean() - half, rel=0.01)
    assert found.high == pytest.approx(losses.mean() + half, rel=0.01)


@pytest.mark.parametrize("metric", METRICS)
def test_metric_interval_is_the_same_for_the_same_seed(metric: str) -> None:
    labels, probabilities = _scores(1, 80, 4)
    first, second = (metric_interval(metric, labels, probabilities, seed=5) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("metric", ["macro_f1", "mcc", "log_loss"])
def test_bootstrap_interval_covers_the_truth(metric: str) -> None:
    """The truth is the metric on very many rows of the same kind."""
    labels, probabilities = _scores(9, 15_000, 3)
    truth = classification_metrics(labels, probabilities)[metric]
    pieces = [slice(start, start + 150) for start in range(0, 15_000, 150)]
    found = [metric_interval(metric, labels[piece], probabilities[piece]) for piece in pieces]
    assert 0.9 <= np.mean([bounds.low <= truth <= bounds.high for bounds in found]) <= 0.99


def test_mcnemar_is_the_exact_mid_p() -> None:
    def by_hand(wins: int, losses: int) -> float:
        total, fewer = wins + losses, min(wins, losses)
        weights = [math.comb(total, k) / 2**total for k in range(total + 1)]
        return min(1.0, 2 * (sum(weights[: fewer + 1]) - weights[fewer] / 2))

    for wins, losses in product(range(8), repeat=2):
        expected = 1.0 if wins == losses else by_hand(wins, losses)
        assert mcnemar_p(wins, losses) == pytest.approx(expected)


def test_mcnemar_without_a_difference_is_one() -> None:
    assert mcnemar_p(0, 0) == 1.0


def test_compare_models_is_nearly_normal_with_many_rows() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(5000) < 0.80, rng.random(5000) < 0.79
    probability, gain, _, _ = compare_models(a, b)
    differences = a.astype(float) - b.astype(float)
    spread = differences.std(ddof=1) / math.sqrt(5000)
    assert gain.value == pytest.approx(differences.mean())
    assert probability == pytest.approx(scipy_stats.norm.cdf(differences.mean() / spread), abs=0.01)
    assert gain.low == pytest.approx(differences.mean() - 1.96 * spread, abs=1e-3)


def test_compare_models_turned_round_is_the_other_side() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(300) < 0.9, rng.random(300) < 0.8
    there, back = compare_models(a, b), compare_models(b, a)
    assert there[0] + back[0] == pytest.approx(1, abs=0.01)
    assert there[1].value == -back[1].value
    assert there[2:] == back[2:]


def test_compare_models_calls_the_same_model_a_tie() -> None:
    right = np.random.default_rng(2).random(100) < 0.7
    probability, gain, p, tie = compare_models(right, right)
    assert (probability, gain.value, p, tie) == (0.5, 0.0, 1.0, True)


def test_compare_models_needs_more_than_three_rows_to_be_sure() -> None:
    a = np.ones(100, dtype=bool)
    b = a.copy()
    b[:4] = False
    assert compare_models(a, b)[3], "four rows of difference in favour of one are chance often enough"
    b[:12] = False
    assert not compare_models(a, b)[3]


def test_compare_models_refuses_other_rows() -> None:
    with pytest.raises(ValueError, match="3 and 4 rows"):
        compare_models(np.ones(3, dtype=bool), np.ones(4, dtype=bool))


def test_compare_models_without_rows_is_a_tie() -> None:
    assert compare_models(np.array([], dtype=bool), np.array([], dtype=bool))[3]


def test_compare_models_seldom_calls_equals_different() -> None:
    rng = np.random.default_rng(4)
    different = 0
    for _ in range(150):
        hard = rng.random(300)
        a, b = (hard + rng.normal(0, 0.1, 300) < 0.8 for _ in range(2))
        different += not compare_models(a, b)[3]
    assert different / 150 <= 0.07


def test_seed_interval_of_one_seed_is_that_of_its_rows() -> None:
    assert seed_interval([0.9], 200) == wilson(0.9, 200)


def test_seed_interval_grows_with_the_spread() -> None:
    close, apart = seed_interval([0.90, 0.90], 200), seed_interval([0.85, 0.95], 200)
    assert (close.value, apart.value) == pytest.approx((0.9, 0.9))
    assert apart.low < close.low
    assert apart.high > close.high


def test_seed_interval_without_rows_is_of_the_seeds_alone() -> None:
    found = seed_interval([1.0, 3.0])
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(1.959964 * math.sqrt(2) / math.sqrt(2))
    assert math.isnan(seed_interval([1.0]).low)


def test_seed_interval_leaves_out_what_is_not_a_number() -> None:
    assert seed_interval([0.5, math.nan]).value == 0.5
    assert math.isnan(seed_interval([math.nan]).value)
