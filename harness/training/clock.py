"""A stopwatch that adds each second of a trial to exactly one part, so that the parts add up to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from harness.records.schema import Usage

__all__ = ["Clock", "Part"]

Part = Literal["start", "data", "step", "evaluation", "saving"]


class Clock:
    """Counts seconds by part, and the steady part of training apart. Counts nothing between `stop` and `go`."""

    def __init__(self, usage: Usage | None = None) -> None:
        self._usage = (usage or Usage()).model_dump()
        self._part: Part | None = None
        self._since = 0.0
        self._steady_since: float | None = None

    def go(self, part: Part) -> None:
        """Adds the time from now on to `part`."""
        now = self._add_elapsed()
        self._part, self._since = part, now

    def stop(self) -> None:
        """Counts no time until the next `go`: the trial is paused."""
        self._add_elapsed()
        self._part = None

    def _add_elapsed(self) -> float:
        now = time.perf_counter()
        if self._part is not None:
            spent = now - self._since
            self._usage[f"{self._part}_s"] += spent
            self._usage["elapsed_s"] += spent
            self._since = now
        return now

    def count(self, *, samples: int, tokens: int, positions: int) -> None:
        """Adds one batch: `positions` are its tokens and padding."""
        added = {"samples": samples, "tokens": tokens, "positions": positions}
        if self._steady_since is not None:
            added |= {"steady_samples": samples, "steady_tokens": tokens}
        for name, number in added.items():
            self._usage[name] += number

    def start_steady(self, threads: int) -> None:
        """Starts the steady part after the warm-up; the caller has synchronised the device.

        Fewer threads than before discard what was counted with more; with more threads than before nothing is counted.
        """
        threads_before = self._usage["steady_threads"]
        if threads_before and threads > threads_before:
            return
        if threads < threads_before:
            self._usage |= {"steady_s": 0.0, "steady_samples": 0, "steady_tokens": 0}
        self._usage["steady_threads"] = threads
        self._steady_since = time.perf_counter()

    def end_steady(self) -> None:
        """Ends the steady part of training; the caller has synchronised the device."""
        if self._steady_since is not None:
            self._usage["steady_s"] += time.perf_counter() - self._steady_since
            self._steady_since = None

    @contextmanager
    def predicting(self, samples: int, threads: int) -> Iterator[None]:
        """Counts the block as the prediction of `samples` rows; the caller synchronises the device at both ends.

        As with the steady part, fewer threads than before discard what was counted, more are not counted.
        """
        since = time.perf_counter()
        yield
        before = self._usage["predict_threads"]
        if before and threads > before:
            return
        if threads < before:
            self._usage |= {"predict_s": 0.0, "predict_samples": 0}
        self._usage["predict_threads"] = threads
        self._usage["predict_s"] += time.perf_counter() - since
        self._usage["predict_samples"] += samples

    def memory(self, peak_mib: float) -> None:
        """Keeps the highest peak of memory, in MiB."""
        self._usage["peak_memory_mib"] = max(self._usage["peak_memory_mib"], peak_mib)

    def usage(self) -> Usage:
        """Returns the seconds and counts up to now."""
        self._add_elapsed()
        return Usage(**self._usage)
