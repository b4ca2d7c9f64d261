from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.stats.classification import CLASSIFICATION
from harness.stats.intervals import Interval, wilson
from harness.stats.metric import Arrays, Metric, score
from harness.stats.regression import REGRESSION
from harness.stats.resampling import PairedComparison, compare, interval
from tests.stats.oracle import scores_of_classes

METRICS = {metric.name: metric for metric in (*CLASSIFICATION, *REGRESSION)}
ACCURACY = METRICS["accuracy"]
NAMES = tuple(metric.name for metric in CLASSIFICATION)


def _of(right: np.ndarray) -> tuple[Arrays, Arrays]:
    """Outputs that are right where `right` [rows] says so, and their targets."""
    return {"probabilities": np.stack([~right, right], axis=1).astype(float)}, {"labels": np.ones(len(right), int)}


def _accuracy(right: np.ndarray) -> Interval:
    return interval(ACCURACY, *_of(right))


def _compare(a: np.ndarray, b: np.ndarray) -> PairedComparison:
    return compare(ACCURACY, _of(a)[0], _of(b)[0], _of(a)[1])


def _classes(seed: int, num_rows: int, num_labels: int) -> tuple[Arrays, Arrays]:
    labels, probabilities = scores_of_classes(seed, num_rows, num_labels)
    return {"probabilities": probabilities}, {"labels": labels}


def _numbers(seed: int, num_rows: int, noise: float = 1.0) -> tuple[Arrays, Arrays]:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=num_rows)
    return {"predictions": numbers + noise * rng.normal(size=num_rows)}, {"numbers": numbers}


def _some(metric: Metric, seed: int, num_rows: int) -> tuple[Arrays, Arrays]:
    return _classes(seed, num_rows, 3) if metric in CLASSIFICATION else _numbers(seed, num_rows)


@pytest.mark.parametrize("right", [0, 1])
def test_accuracy_interval_at_the_ends_is_not_a_point(right: int) -> None:
    found = _accuracy(np.full(20, bool(right)))
    assert found.value == right
    assert 0 <= found.low <= right <= found.high <= 1
    assert found.high - found.low > 0.1


def test_interval_of_a_share_is_that_of_wilson() -> None:
    assert _accuracy(np.arange(50) < 45) == wilson(0.9, 50)


@pytest.mark.parametrize("right_rate", [0.55, 0.8, 0.95])
def test_interval_covers_the_truth_when_the_winner_was_picked_on_validation(right_rate: float) -> None:
    """2,000 studies of 16 configurations: the best on validation is scored on test once, as the harness does."""
    rng = np.random.default_rng(42)
    covered = 0
    for _ in range(2000):
        truths = np.clip(rng.normal(right_rate, 0.02, size=16), 0, 1)
        winner = int(np.argmax(rng.binomial(200, truths)))
        found = _accuracy(rng.random(500) < truths[winner])
        covered += found.low <= truths[winner] <= found.high
    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
@pytest.mark.parametrize("num_rows", [6, 60])
def test_interval_holds_the_score(metric: Metric, num_rows: int) -> None:
    outputs, targets = _some(metric, 3, num_rows)
    found = interval(metric, outputs, targets)
    assert found.value == score(metric, outputs, targets)
    assert found.low <= found.value <= found.high


def test_interval_of_what_is_undefined_is_unknown() -> None:
    outputs, targets = {"probabilities": np.full((20, 3), 1 / 3)}, {"labels": np.zeros(20, dtype=np.int64)}
    assert math.isnan(interval(METRICS["roc_auc"], outputs, targets).value)


def test_log_loss_interval_is_that_of_the_mean() -> None:
    outputs, targets = _classes(0, 2000, 3)
    losses = -np.log(outputs["probabilities"][np.arange(2000), targets["labels"]])
    found = interval(METRICS["log_loss"], outputs, targets)
    half = 1.96 * losses.std(ddof=1) / math.sqrt(2000)
    assert found.low == pytest.approx(losses.mean() - half, rel=0.01)
    assert found.high == pytest.approx(losses.mean() + half, rel=0.01)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_interval_is_the_same_for_the_same_seed(metric: Metric) -> None:
    outputs, targets = _some(metric, 1, 40)
    first, second = (interval(metric, outputs, targets, seed=5) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["macro_f1", "log_loss", "r2"])
def test_bootstrap_interval_covers_the_truth(name: str) -> None:
    """The truth is the metric on very many rows of the same kind."""
    outputs, targets = _some(METRICS[name], 9, 9000)
    truth = score(METRICS[name], outputs, targets)
    covered = []
    for start in range(0, 9000, 150):
        piece = slice(start, start + 150)
        of_piece = [{key: array[piece] for key, array in arrays.items()} for arrays in (outputs, targets)]
        bounds = interval(METRICS[name], *of_piece)
        covered.append(bounds.low <= truth <= bounds.high)
    assert 0.88 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize(("name", "num_rows"), [("macro_f1", 60), ("roc_auc", 100), ("rmse", 100)])
def test_interval_covers_the_truth_of_skewed_values(name: str, num_rows: int) -> None:
    """Few errors of many rows, and noise with heavy tails; percentiles of the resamples cover 85 to 91 % of these."""
    rng, metric, covered = np.random.default_rng(11), METRICS[name], []

    def split(num_rows: int) -> tuple[Arrays, Arrays]:
        labels = rng.integers(2, size=num_rows)
        score_of_one = 1 / (1 + np.exp(6 * (0.5 - labels) + 2 * rng.normal(size=num_rows)))
        outputs = {"probabilities": np.stack([1 - score_of_one, score_of_one], axis=1)}
        noise = rng.laplace(size=num_rows)
        return outputs | {"predictions": noise}, {"labels": labels, "numbers": np.zeros(num_rows)}

    truth = score(metric, *split(300_000))
    for _ in range(250):
        bounds = interval(metric, *split(num_rows))
        covered.append(bounds.low <= truth <= bounds.high)
    assert 0.93 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("name", ["macro_f1", "mcc", "roc_auc", "spearman", "pearson"])
def test_perfect_score_has_a_width_that_shrinks_with_the_rows(name: str) -> None:
    metric, widths = METRICS[name], []
    for num_rows in (20, 200):
        labels = np.arange(num_rows) % 2
        outputs = {"probabilities": np.eye(2)[labels]} if metric in CLASSIFICATION else {"predictions": labels * 1.0}
        found = interval(metric, outputs, {"labels": labels, "numbers": labels * 1.0})
        assert found.value == found.high == 1.0
        widths.append(found.high - found.low)
    assert widths == pytest.approx([(metric.high - metric.low) * (1 - wilson(1.0, rows).low) for rows in (20, 200)])


def test_worst_score_has_a_width() -> None:
    labels = np.arange(20) % 2
    found = interval(METRICS["macro_f1"], {"probabilities": np.eye(2)[1 - labels]}, {"labels": labels})
    assert found.low == found.value == 0.0
    assert found.high == pytest.approx(wilson(0.0, 20).high)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "log_loss", "roc_auc", "rmse", "spearman"])
def test_rows_that_say_the_same_in_groups_count_once(name: str) -> None:
    """Each row five times over is five times the rows, and yet no more is known."""
    outputs, targets = _some(METRICS[name], 2, 100)
    fivefold = [{key: np.repeat(array, 5, axis=0) for key, array in arrays.items()} for arrays in (outputs, targets)]
    groups = np.repeat(np.array([f"user {row}" for row in range(100)]), 5)
    once = interval(replace(METRICS[name], is_share=False), outputs, targets)
    grouped, apart = interval(METRICS[name], *fivefold, groups=groups), interval(METRICS[name], *fivefold)
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low, rel=0.15)
    assert apart.high - apart.low < 0.7 * (grouped.high - grouped.low)


def test_many_rows_are_resampled_in_pieces() -> None:
    outputs, targets = _numbers(0, 9000)
    found = interval(METRICS["mae"], outputs, targets)
    errors = np.abs(outputs["predictions"] - targets["numbers"])
    assert found.high - found.low == pytest.approx(2 * 1.96 * errors.std() / math.sqrt(9000), rel=0.1)


def test_accuracy_comparison_is_nearly_normal_with_many_rows() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(5000) < 0.80, rng.random(5000) < 0.79
    found = _compare(a, b)
    differences = a.astype(float) - b.astype(float)
    spread = differences.std(ddof=1) / math.sqrt(5000)
    assert found.difference.value == pytest.approx(differences.mean())
    assert found.probability == pytest.approx(scipy_stats.norm.cdf(differences.mean() / spread), abs=0.01)
    assert found.difference.low == pytest.approx(differences.mean() - 1.96 * spread, abs=1e-3)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_comparison_turned_round_is_the_other_side(metric: Metric) -> None:
    a, targets = _some(metric, 5, 60)
    b = {key: np.roll(array, 7, axis=0) for key, array in a.items()}
    there, back = compare(metric, a, b, targets), compare(metric, b, a, targets)
    assert there.probability + back.probability == pytest.approx(1, abs=0.01)
    assert there.difference.value == -back.difference.value
    assert (there.mcnemar_p, there.tie) == (back.mcnemar_p, back.tie)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_same_model_is_a_tie(metric: Metric) -> None:
    outputs, targets = _some(metric, 2, 60)
    found = compare(metric, outputs, outputs, targets)
    assert (found.probability, found.difference.value, found.tie) == (0.5, 0.0, True)
    assert found.mcnemar_p == (1.0 if metric.is_share else None)


@pytest.mark.parametrize("name", ["macro_f1", "mcc", "roc_auc", "log_loss"])
def test_better_model_is_better_by_every_metric(name: str) -> None:
    metric = METRICS[name]
    good, targets = _classes(6, 300, 3)
    poor = {"probabilities": 0.3 * good["probabilities"] + 0.7 * np.roll(good["probabilities"], 1, axis=0)}
    found = compare(metric, good, poor, targets)
    assert found.probability > 0.99
    assert not found.tie
    assert (found.difference.value > 0) == metric.maximize


def test_comparison_by_rmse_is_that_of_the_mean_squares() -> None:
    """Where both err alike, the paired interval is far narrower than that of two independent samples."""
    a, targets = _numbers(7, 400)
    b = {"predictions": a["predictions"] + 0.05}
    found, alone = compare(METRICS["rmse"], a, b, targets), interval(METRICS["rmse"], a, targets)
    assert found.difference.high - found.difference.low < 0.2 * (alone.high - alone.low)


def test_comparison_needs_more_than_three_rows_to_be_sure() -> None:
    a = np.ones(100, dtype=bool)
    b = a.copy()
    b[:4] = False
    assert _compare(a, b).tie, "four rows of difference in favour of one are chance often enough"
    b[:12] = False
    assert not _compare(a, b).tie


def test_comparison_by_groups_is_less_sure() -> None:
    rng = np.random.default_rng(3)
    of_group = rng.random((2, 40)) < np.array([[0.9], [0.6]])
    (a, targets), (b, _) = (_of(np.repeat(right, 25)) for right in of_group)
    rows, groups = compare(ACCURACY, a, b, targets), compare(ACCURACY, a, b, targets, np.repeat(np.arange(40), 25))
    assert groups.mcnemar_p is None
    assert groups.difference.high - groups.difference.low > 3 * (rows.difference.high - rows.difference.low)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "roc_auc"])
def test_comparison_refuses_other_rows(name: str) -> None:
    (a, targets), (b, _) = _classes(0, 3, 2), _classes(0, 4, 2)
    with pytest.raises(ValueError, match="3 and 4 rows"):
        compare(METRICS[name], a, b, targets)


@pytest.mark.parametrize("name", NAMES)
def test_comparison_without_rows_is_a_tie(name: str) -> None:
    outputs, targets = {"probabilities": np.zeros((0, 2))}, {"labels": np.zeros(0, dtype=np.int64)}
    assert compare(METRICS[name], outputs, outputs, targets).tie


@pytest.mark.parametrize(("name", "most"), [("accuracy", 0.07), ("macro_f1", 0.1)])
def test_comparison_seldom_calls_equals_different(name: str, most: float) -> None:
    rng = np.random.default_rng(4)
    different = 0
    for _ in range(100):
        hard, labels = rng.random(300), rng.integers(2, size=300)
        guesses = (np.where(hard + rng.normal(0, 0.1, 300) < 0.8, labels, 1 - labels) for _ in range(2))
        a, b = ({"probabilities": np.eye(2)[guess]} for guess in guesses)
        different += not compare(METRICS[name], a, b, {"labels": labels}).tie
    assert different / 100 <= most
