from __future__ import annotations

from math import inf, nan, sqrt

import pytest

from harness.spec.tasks import metric_named
from harness.stats.chance import is_beyond_chance, noise

CHANCE = {"accuracy": 1 / 12, "macro_f1": 1 / 12, "mcc": 0.0, "roc_auc": 0.5, "log_loss": 2.48}


def test_noise_of_a_share_is_two_standard_errors() -> None:
    assert noise(metric_named("accuracy"), 0.2, 100) == pytest.approx(2 * sqrt(0.2 * 0.8 / 100))
    assert noise(metric_named("macro_f1"), 0.0, 100) == 0.0


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
