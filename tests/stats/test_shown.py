from __future__ import annotations

from math import inf, nan

import pytest

from harness.spec.tasks import metric_named
from harness.stats.metric import COSTS
from harness.stats.shown import shown, shown_apart

ACCURACY, LOSS = metric_named("accuracy"), metric_named("log_loss")


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (ACCURACY, 0.958, "95.8\u00a0%"),
        (LOSS, 0.1234, "0.123"),
        (COSTS["samples_per_second"], 1234.5, "1,230"),
        (COSTS["peak_memory_mib"], 900.4, "900 MiB"),
        (COSTS["peak_memory_mib"], 2048.0, "2.0 GiB"),
        (ACCURACY, nan, "–"),
        (LOSS, inf, "–"),
        (LOSS, None, "–"),
    ],
)
def test_shown(metric: object, value: float | None, text: str) -> None:
    assert shown(metric, value) == text  # type: ignore[arg-type]


def test_shown_apart_takes_as_many_digits_as_tell_them_apart() -> None:
    assert shown_apart(ACCURACY, 0.712, 0.78) == ("71.2\u00a0%", "78.0\u00a0%")
    assert shown_apart(ACCURACY, 0.7121, 0.7123) == ("71.21\u00a0%", "71.23\u00a0%")
    assert shown_apart(LOSS, 0.12341, 0.12344) == ("0.12341", "0.12344")
    assert shown_apart(LOSS, 0.5, 0.5) == ("0.500", "0.500")
    assert shown_apart(LOSS, 0.5, 0.5 + 1e-12) == ("0.500", "0.500")
