from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy.stats import binom

from harness.spec.tasks import facts_of, metric_named
from harness.stats.chance import is_ahead, is_beyond_chance, noise, scores_of_constant
from harness.stats.metric import Metric

find = facts_of("text-classification").metric
CHANCE = {"accuracy": 1 / 12, "macro_f1": 1 / 12, "mcc": 0.0, "roc_auc": 0.5, "log_loss": 2.48}


def test_noise_of_a_share_is_two_standard_errors() -> None:
    share = 21 / 102  # one row of each outcome more
    assert noise(metric_named("accuracy"), 0.2, 100) == pytest.approx(2 * sqrt(share * (1 - share) / 100))
    assert 0.01 < noise(metric_named("macro_f1"), 0.0, 100) < 0.03


def test_noise_of_a_percentage_without_end_is_not_that_of_a_share() -> None:
    error = Metric(name="mape", title="MAPE", maximize=False, low=0.0, high=inf, percent=True)
    assert noise(error, 1.7, 100) == pytest.approx(2 * 1.7 / sqrt(100))


def test_noise_of_other_metrics_is_by_their_range_or_size() -> None:
    assert noise(metric_named("roc_auc"), 0.5, 100) == pytest.approx(0.1)
    assert noise(metric_named("mcc"), 0.0, 100) == pytest.approx(0.2)
    assert noise(metric_named("log_loss"), 2.5, 100) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("objective", "value", "num_rows", "expected"),
    [
        ("accuracy", 1 / 12, 80, False),
        ("accuracy", 0.14, 80, False),
        ("accuracy", 0.15, 80, True),
        ("accuracy", 0.14, 400, True),
        ("roc_auc", 0.6, 80, False),
        ("roc_auc", 0.62, 80, True),
        ("log_loss", 2.3, 80, False),
        ("log_loss", 1.8, 80, True),
        ("log_loss", inf, 80, False),
        ("accuracy", nan, 80, False),
        ("accuracy", None, 80, False),
        ("samples_per_second", 1.0, 80, True),  # a cost has no trivial baseline
    ],
)
def test_is_beyond_chance(objective: str, value: float | None, num_rows: int, expected: bool) -> None:
    assert is_beyond_chance(metric_named(objective), value, CHANCE, num_rows) is expected


def test_metric_without_a_lower_end_can_be_beyond_chance() -> None:
    r2 = metric_named("r2")
    assert is_beyond_chance(r2, 0.3, {"r2": -0.01}, 100)
    assert not is_beyond_chance(r2, 0.15, {"r2": -0.01}, 100)
    assert not is_beyond_chance(r2, 0.3, {"r2": -0.01}, 30)


@pytest.mark.parametrize(("classes", "rows", "trials"), [(12, 120, 18), (6, 200, 18), (77, 300, 18), (12, 120, 50)])
def test_the_luckiest_of_many_guesses_is_no_better_than_chance(classes: int, rows: int, trials: int) -> None:
    accuracy, chance = metric_named("accuracy"), {"accuracy": 1 / classes}
    beyond = [
        hits for hits in range(rows + 1) if is_beyond_chance(accuracy, hits / rows, chance, rows, num_trials=trials)
    ]
    one = float(binom.sf(beyond[0] - 1, rows, 1 / classes))
    assert 1 - (1 - one) ** trials < 0.12
    alone = [hits for hits in range(rows + 1) if is_beyond_chance(accuracy, hits / rows, chance, rows)]
    assert alone[0] < beyond[0]


def test_constant_outputs_have_the_middle_where_they_leave_a_metric_undefined() -> None:
    numbers = {"numbers": np.array([1.0, 2.0, 6.0])}
    metrics = [metric_named(name) for name in ("rmse", "r2", "pearson", "spearman")]
    found = scores_of_constant(metrics, {"predictions": np.full(3, 3.0)}, numbers)
    assert found == {"rmse": pytest.approx(sqrt(14 / 3)), "r2": 0.0, "pearson": 0.0, "spearman": 0.0}
    same = scores_of_constant(metrics, {"predictions": np.full(3, 3.0)}, {"numbers": np.full(3, 3.0)})
    assert same.keys() == {"rmse", "pearson", "spearman"}, "r2 has no middle"


@pytest.mark.parametrize(
    ("metric", "value", "other", "num_rows", "expected"),
    [
        ("log_loss", 1.0, 1.02, 256, True),  # ln(1 / 0.0228) / 256 is 0.0148
        ("log_loss", 1.0, 1.01, 256, False),
        ("log_loss", 1.02, 1.0, 256, False),
        ("accuracy", 0.9, 0.8, 100, True),  # two standard errors of 80 % are 8 points
        ("accuracy", 0.86, 0.8, 100, False),
        ("accuracy", None, 0.1, 100, False),
        ("accuracy", 0.1, nan, 100, True),
        ("samples_per_second", 101.0, 100.0, 1, True),
        ("samples_per_second", 100.0, 101.0, 1, False),
    ],
)
def test_ahead_is_beyond_the_noise_of_the_rows(
    metric: str, value: float | None, other: float, num_rows: int, expected: bool
) -> None:
    assert is_ahead(find(metric), value, other, num_rows) is expected


def test_ahead_by_loss_is_rare_among_models_without_merit() -> None:
    """The truth is one model; of 16 others of equal size around it, one is ahead of it by luck in few of the draws."""
    rng, lucky, draws, rows = np.random.default_rng(0), 0, 400, 256
    log_loss = find("log_loss")
    for _ in range(draws):
        truth = rng.dirichlet(np.ones(3), rows)
        labels = (truth.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
        true_loss = -np.log(truth[np.arange(rows), labels]).mean()
        others = truth[None] * np.exp(0.3 * rng.standard_normal((16, rows, 3)))
        others /= others.sum(axis=2, keepdims=True)
        losses = -np.log(others[:, np.arange(rows), labels]).mean(axis=1)
        lucky += any(is_ahead(log_loss, float(loss), float(true_loss), rows, 16) for loss in losses)
    assert lucky / draws <= 0.04
