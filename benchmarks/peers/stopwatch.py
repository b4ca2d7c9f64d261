"""Times the steps of a Hugging Face Trainer from outside, and ends its training when there are enough."""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl

__all__ = ["Stopwatch"]


class Stopwatch(TrainerCallback):
    """Seconds of steps, from the end of one to the end of the next, after a warm-up; on a device that is waited for."""

    def __init__(self, seconds: float, *, warm_steps: int, warm_s: float, least: int, most: int) -> None:
        self.steps_s: list[float] = []
        self._seconds, self._warm_steps, self._warm_s = seconds, warm_steps, warm_s
        self._least, self._most = least, most
        self._done = 0
        self._began = self._last = 0.0

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: TrainerControl, **kwargs: Any) -> None:
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        now = time.perf_counter()
        if self._last:
            self.steps_s.append(now - self._last)
        self._done += 1
        if self._last or (self._done >= self._warm_steps and now - self._began >= self._warm_s):
            self._last = now
        timed = len(self.steps_s)
        control.should_training_stop = timed >= self._most or (
            timed >= self._least and sum(self.steps_s) >= self._seconds
        )
