"""Time marks on a device, the end of a warm-up, and the summary of step times.

A clock that the host reads in the middle of queued work would be wrong, so on CUDA and XPU the device records the times
itself (events), and the host does not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch

from harness.records.bench import StepTime
from harness.training import device as devices

__all__ = ["Marks", "Settling", "StepCost", "is_steady", "step_time"]

#: Windows of so many steps are compared; the speed has settled when their medians differ by no more than this share.
WINDOW = 5
SETTLED = 0.05
RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """One step: its seconds, by part too, and the real tokens of each of its rows (`lengths` [rows])."""

    seconds: float
    lengths: np.ndarray
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def positions(self) -> int:
        """Tokens and padding."""
        return len(self.lengths) * int(self.lengths.max())


class Marks:
    """Named points in time; `spans` waits for the device and reads them."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._events = device.type in ("cuda", "xpu")
        self._marks: list[tuple[str, float | torch.Event]] = []

    def mark(self, name: str) -> None:
        """Ends the part before, and begins the part `name`."""
        if self._events:
            event = torch.Event(self._device, enable_timing=True)
            event.record()
            self._marks.append((name, event))
        else:
            self._marks.append((name, time.perf_counter()))

    def clear(self) -> None:
        """Deletes all marks."""
        self._marks.clear()

    def spans(self) -> Iterator[tuple[str, float]]:
        """Yields each name with the seconds until the next mark."""
        devices.synchronize(self._device)
        for (name, start), (_, end) in zip(self._marks, self._marks[1:], strict=False):
            yield name, _seconds(start, end)


def _seconds(start: float | torch.Event, end: float | torch.Event) -> float:
    if isinstance(start, torch.Event) and isinstance(end, torch.Event):
        return float(start.elapsed_time(end)) / 1000
    return float(end) - float(start)  # type: ignore[arg-type]


class Settling:
    """Follows a warm-up by times per position, because batches differ in length."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def add(self, steps: Sequence[StepCost]) -> None:
        """Adds the times of further steps."""
        self._times += [step.seconds / step.positions for step in steps]

    @property
    def num_steps(self) -> int:
        """The steps timed so far."""
        return len(self._times)

    @property
    def settled(self) -> bool:
        """True when the last two windows were equally fast."""
        last_window, window_before = self._times[-WINDOW:], self._times[-2 * WINDOW : -WINDOW]
        return len(window_before) == WINDOW and abs(median(last_window) / median(window_before) - 1) <= SETTLED


def is_steady(steps: Sequence[StepCost]) -> bool:
    """True when the second half of the steps was as fast as the first (too few steps to tell count as steady)."""
    times = [step.seconds / step.positions for step in steps]
    half = len(times) // 2
    return half < WINDOW or abs(median(times[half:]) / median(times[:half]) - 1) <= SETTLED


def step_time(steps_ms: Sequence[float]) -> StepTime:
    """Returns p95 and the median with its 95 % interval (percentile bootstrap: Efron and Tibshirani 1993, ch. 13)."""
    times = np.asarray(steps_ms, dtype=np.float64)
    draws = np.random.default_rng(0).choice(times, size=(RESAMPLES, len(times)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return StepTime(
        median=float(np.median(times)), p95=float(np.percentile(times, 95)), low=float(low), high=float(high)
    )
