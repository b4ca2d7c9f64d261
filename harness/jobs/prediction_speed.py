"""Measures how fast a saved model predicts: rows a second in batches, and milliseconds for a single row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from harness.data.encoded import Encoded
from harness.records.final import PredictionSpeed
from harness.tasks.base import Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["measured_speed", "summary"]

_NUM_ROWS, _NUM_SINGLE = 128, 15
_NUM_WARM, _NUM_WRITTEN = 16, 32
#: Passes are repeated until they took so many seconds; the spread of a few is the noise of the measurement.
_FEWEST_PASSES, _MOST_PASSES, _SECONDS = 3, 7, 1.0


def measured_speed(
    model: PreTrainedModel, task: Task, examples: Encoded, device: torch.device, folder: Path
) -> tuple[list[float], list[float]]:
    """Returns the rows a second of several short passes over the same rows, and the ms of several single rows.

    A model that writes is measured while it writes; `folder` holds its tokenizer.
    """
    from harness.training.evaluate import predict

    rows = np.arange(min(examples.num_rows, _NUM_WRITTEN if task.writes else _NUM_ROWS))

    def timed(some: np.ndarray) -> float:
        begin = time.perf_counter()
        if task.writes:
            task.write(model, examples, some, device, folder)
        else:
            predict(model, task, examples, examples.examples_of(some), device)
        return time.perf_counter() - begin

    timed(rows[:_NUM_WARM])
    passes = _repeated([rows] * _MOST_PASSES, timed, fewest=_FEWEST_PASSES)
    singles = _repeated([rows[row : row + 1] for row in range(min(len(rows), _NUM_SINGLE))], timed)
    return [len(rows) / seconds for seconds in passes], [1000 * seconds for seconds in singles]


def _repeated(pieces: Sequence[np.ndarray], timed: Callable[[np.ndarray], float], fewest: int = 1) -> list[float]:
    """Returns the seconds of each piece of work; of the first `fewest` alone where that is slow."""
    seconds: list[float] = []
    for piece in pieces:
        seconds.append(timed(piece))
        if sum(seconds) > _SECONDS and len(seconds) >= fewest:
            break
    return seconds


def summary(rounds: Sequence[tuple[list[float], list[float]]], folder: str) -> PredictionSpeed:
    """Returns the speed of the model in `folder` from all rounds of `measured_speed`."""
    rates = [rate for of_passes, _ in rounds for rate in of_passes]
    singles = [ms for _, of_rows in rounds for ms in of_rows]
    return PredictionSpeed(
        rows_per_second=median(rates),
        slowest_rows_per_second=min(rates),
        fastest_rows_per_second=max(rates),
        passes=len(rates),
        row_ms=median(singles),
        fastest_row_ms=min(singles),
        slowest_row_ms=max(singles),
        single_rows=len(singles),
        megabytes=(Path(folder) / "model.safetensors").stat().st_size / 1e6,
    )
