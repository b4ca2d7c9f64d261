"""Measures how fast a saved model predicts: rows a second in batches, and milliseconds for a single row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from harness.data.encoded import Encoded
from harness.tasks.base import Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["measured_speed"]

_NUM_ROWS, _NUM_SINGLE = 256, 15
_NUM_WARM = 16
_PASSES, _SECONDS = 3, 1.0  # at most: a slow model has one pass


def measured_speed(model: PreTrainedModel, task: Task, examples: Encoded, device: torch.device) -> tuple[float, float]:
    """Returns rows a second (the fastest of a few passes over up to 256 rows), and the median ms of a single row."""
    from harness.training.evaluate import predict

    rows = np.arange(min(len(examples), _NUM_ROWS))

    def timed(some: np.ndarray) -> float:
        begin = time.perf_counter()
        predict(model, task, examples, some, device)
        return time.perf_counter() - begin

    timed(rows[:_NUM_WARM])
    passes = _repeated([rows] * _PASSES, timed)
    singles = _repeated([rows[row : row + 1] for row in range(min(len(rows), _NUM_SINGLE))], timed)
    return len(rows) / min(passes), 1000 * median(singles)


def _repeated(pieces: Sequence[np.ndarray], timed: Callable[[np.ndarray], float]) -> list[float]:
    """Returns the seconds of each piece of work; of the first alone where that is slow."""
    seconds: list[float] = []
    for piece in pieces:
        seconds.append(timed(piece))
        if sum(seconds) > _SECONDS:
            break
    return seconds
