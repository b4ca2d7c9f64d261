from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.jobs import prediction_speed
from harness.jobs.prediction_speed import measured_speed


class Clock:
    """A clock that each predicted row moves on by 10 ms, and each call by 5 ms."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, []  # type: ignore[var-annotated]

    def predict(self, model: Any, task: Any, examples: Any, rows: np.ndarray, device: Any) -> None:
        self.calls.append(len(rows))
        self.now += 0.005 + 0.010 * len(rows)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("harness.training.evaluate.predict", clock.predict)
    monkeypatch.setattr(prediction_speed.time, "perf_counter", lambda: clock.now)
    return clock


def test_speed_is_of_batches_and_of_single_rows(clock: Clock) -> None:
    rate, single = measured_speed(None, None, range(20), torch.device("cpu"))  # type: ignore[arg-type]
    assert rate == pytest.approx(20 / 0.205)
    assert single == pytest.approx(15.0)


def test_slow_model_is_measured_once(clock: Clock) -> None:
    measured_speed(None, None, range(1000), torch.device("cpu"))  # type: ignore[arg-type]
    assert clock.calls[1:3] == [256, 1], "one pass over the most rows took longer than a second"
