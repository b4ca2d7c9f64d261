from __future__ import annotations

import math

import pytest

from harness.errors import HarnessError
from harness.jobs.export import check_scores
from harness.spec.tasks import metric_named


@pytest.mark.parametrize(
    ("name", "expected", "found"),
    [("accuracy", 0.9, 0.9), ("log_loss", 0.30001, 0.30002), ("macro_f1", 0.8, 0.8 + 1e-12)],
)
def test_reloaded_model_with_the_same_score_passes(name: str, expected: float, found: float) -> None:
    check_scores(metric_named(name), expected, found, "best")


@pytest.mark.parametrize(
    ("name", "expected", "found", "shown"),
    [
        ("accuracy", 0.9, 0.90001, "accuracy on validation is 0.900010 after reloading, its trial's was 0.900000"),
        ("log_loss", 0.3, 0.31, "log loss on validation is 0.310000"),
        ("log_loss", 0.3, math.nan, "log loss on validation is nan"),
    ],
)
def test_reloaded_model_with_another_score_is_refused(name: str, expected: float, found: float, shown: str) -> None:
    with pytest.raises(HarnessError, match=shown):
        check_scores(metric_named(name), expected, found, "best")
