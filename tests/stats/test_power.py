from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.stats.classification import CLASSIFICATION
from harness.stats.intervals import Interval, mcnemar_p, unknown
from harness.stats.metric import Arrays, Metric, score
from harness.stats.power import difference_shown_by, expected_difference, smallest_difference
from harness.stats.regression import REGRESSION
from harness.stats.resampling import compare

#: A split: the targets, and the outputs of two models and of a simple one.
Split = tuple[Arrays, Arrays, Arrays, Arrays]
Make = Callable[[int, np.random.Generator], Split]
METRICS = {metric.name: metric for metric in (*CLASSIFICATION, *REGRESSION)}


@pytest.mark.parametrize("num_rows", [132, 494])
def test_smallest_difference_is_shown_in_eight_of_ten_samples(num_rows: int) -> None:
    gain, rng = smallest_difference(num_rows, 0.2), np.random.default_rng(0)
    shares = [(0.2 + gain) / 2, (0.2 - gain) / 2, 0.8]
    draws = rng.multinomial(num_rows, shares, size=1000)
    seen = np.mean([mcnemar_p(int(wins), int(losses)) < 0.05 for wins, losses, _ in draws])
    assert 0.75 <= seen <= 0.9


@pytest.mark.parametrize("num_rows", [0, 1, 7])
def test_smallest_difference_of_no_row_or_too_few_is_unknown(num_rows: int) -> None:
    assert np.isnan(smallest_difference(num_rows))


@pytest.mark.parametrize("num_rows", [8, 20, 39])
def test_models_disagree_on_at_least_the_share_by_which_they_differ(num_rows: int) -> None:
    gain = smallest_difference(num_rows, 0.2)
    assert 0.2 <= gain <= 1
    assert gain == pytest.approx(smallest_difference(num_rows, gain))


def of_classes(num_rows: int, rng: np.random.Generator) -> Split:
    """Three classes of unequal size; the models are right on 80 % of the rows, and often on the same ones."""
    labels = rng.choice(3, size=num_rows, p=[0.6, 0.3, 0.1])
    shared, own = rng.normal(size=num_rows), rng.normal(size=(3, num_rows))
    latent = np.sqrt(0.7) * shared + np.sqrt(0.3) * own
    wrong = (labels + rng.integers(1, 3, size=(3, num_rows))) % 3
    predicted = np.where(latent > np.array([[-0.84], [-0.84], [-0.6]]), labels, wrong)
    return {"labels": labels}, *({"probabilities": np.eye(3)[classes]} for classes in predicted)  # type: ignore[return-value]


def of_numbers(num_rows: int, rng: np.random.Generator) -> Split:
    """Numbers of spread 1; the models' errors are of size 0.5, and alike."""
    numbers, shared = rng.normal(size=num_rows), rng.normal(size=num_rows)
    errors = np.sqrt(0.7) * shared + np.sqrt(0.3) * rng.normal(size=(3, num_rows))
    sizes = np.array([[0.5], [0.5], [0.6]])
    return {"numbers": numbers}, *({"predictions": numbers + row} for row in sizes * errors)  # type: ignore[return-value]


KINDS = [("macro_f1", of_classes), ("log_loss", of_classes), ("rmse", of_numbers), ("spearman", of_numbers)]


def spread(metric: Metric, make: Make, num_rows: int, rng: np.random.Generator) -> float:
    """2.8 standard deviations of the difference of the two models, over many splits."""
    splits = [make(num_rows, rng) for _ in range(300)]
    return 2.8 * float(np.std([score(metric, a, targets) - score(metric, b, targets) for targets, a, b, _ in splits]))


@pytest.mark.parametrize(("name", "make"), KINDS[:3])
def test_estimate_of_a_simple_model_agrees_with_the_spread_over_many_splits(name: str, make: Make) -> None:
    """Of metrics whose noise hardly depends on how good a model is; Spearman's falls as the correlation rises."""
    metric, rng = METRICS[name], np.random.default_rng(0)
    targets, *_, simple = make(300, rng)
    before, true = expected_difference(metric, simple, targets, num_test_rows=500), spread(metric, make, 500, rng)
    assert true / 1.5 <= before <= 1.5 * true


@pytest.mark.parametrize(("name", "make"), KINDS)
def test_estimate_of_a_comparison_agrees_with_the_spread_over_many_splits(name: str, make: Make) -> None:
    metric, rng = METRICS[name], np.random.default_rng(0)
    targets, a, b, _ = make(500, rng)
    after, true = difference_shown_by(compare(metric, a, b, targets).difference), spread(metric, make, 500, rng)
    assert true / 1.5 <= after <= 1.5 * true


def test_no_difference_is_told_without_a_width() -> None:
    assert np.isnan(difference_shown_by(unknown()))
    assert np.isnan(difference_shown_by(Interval(value=0.0, low=0.0, high=0.0)))
    targets, outputs = {"labels": np.arange(4) % 2}, {"probabilities": np.full((4, 2), 0.5)}
    assert np.isnan(expected_difference(METRICS["roc_auc"], outputs, targets, 4)), "a guess is the same in any resample"
