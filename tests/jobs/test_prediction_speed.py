from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.encoded import Encoded
from harness.jobs import prediction_speed
from harness.jobs.prediction_speed import measured_speed, summary
from harness.report.study.serving import speed_text

READS: Any = SimpleNamespace(writes=False)


def examples(count: int) -> Encoded:
    return Encoded(fields={}, targets={}, lengths=np.ones(count, dtype=np.int32))


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
    rates, singles = measured_speed(None, READS, examples(20), torch.device("cpu"), Path())  # type: ignore[arg-type]
    assert rates == pytest.approx([20 / 0.205] * 5), "after five passes a second is over"
    assert singles == pytest.approx([15.0] * 15)


def test_slow_model_is_measured_as_often_as_a_spread_needs(clock: Clock) -> None:
    rates, _ = measured_speed(None, READS, examples(1000), torch.device("cpu"), Path())  # type: ignore[arg-type]
    assert clock.calls[1:5] == [128, 128, 128, 1], "each pass took longer than a second"
    assert len(rates) == 3


def test_model_that_writes_is_measured_while_it_writes(clock: Clock) -> None:
    def write(model: Any, examples: Any, rows: np.ndarray, device: Any, folder: Path) -> None:
        clock.predict(model, None, examples, rows, device)

    task: Any = SimpleNamespace(writes=True, write=write)
    rates, _ = measured_speed(None, task, examples(1000), torch.device("cpu"), Path())  # type: ignore[arg-type]
    assert clock.calls[1] == 32
    assert rates == pytest.approx([32 / 0.325] * 4)


def test_speed_of_several_rounds_is_the_median_with_its_range(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(2_000_000))
    speed = summary([([90.0, 100.0], [3.0, 5.0]), ([80.0, 95.0], [4.0])], str(tmp_path))
    assert (speed.rows_per_second, speed.passes) == (92.5, 4)
    assert (speed.slowest_rows_per_second, speed.fastest_rows_per_second) == (80.0, 100.0)
    assert (speed.row_ms, speed.fastest_row_ms, speed.slowest_row_ms, speed.single_rows) == (4.0, 3.0, 5.0, 3)
    assert speed.megabytes == 2.0
    assert speed_text(speed) == (
        "92.5 rows/s (80.0 to 100 over 4 passes), 4.00 ms for one row (3.00 to 5.00 over 3 rows), 2 MB"
    )
