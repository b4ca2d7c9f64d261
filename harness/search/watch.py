"""Monitors of a source: they are notified of what happens to trials and change nothing.

One of them is here: `LiveFile` writes the file that `harness status` reads in another process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from harness.errors import RunError
from harness.records.live import Live, LiveTrial
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState
from harness.search.source import Decision, TrialSource
from harness.spec.trial import TrialConfig

__all__ = ["LiveFile", "Monitor", "Watched"]


class Monitor(Protocol):
    """Is called at each event of every trial, from the thread that runs the engine."""

    def started(self, config: TrialConfig) -> None:
        """A trial starts or goes on: it is new, was paused, or was left by an earlier coordinator."""

    def progressed(self, number: int, progress: Progress) -> None:
        """The trial was evaluated."""

    def paused(self, number: int) -> None:
        """The trial was paused after an evaluation."""

    def ended(self, record: TrialRecord) -> None:
        """The trial ended; `record` is as it was stored."""


class Watched:
    """A `TrialSource` that passes every call on to `source` and notifies the monitors."""

    def __init__(self, source: TrialSource, *monitors: Monitor) -> None:
        self._source = source
        self._monitors = monitors

    def next(self) -> TrialConfig | None:
        config = self._source.next()
        if config is not None:
            for monitor in self._monitors:
                monitor.started(config)
        return config

    def dropped(self) -> list[int]:
        return self._source.dropped()

    def decide(self, number: int, progress: Progress) -> Decision:
        decision = self._source.decide(number, progress)
        for monitor in self._monitors:
            monitor.progressed(number, progress)
            if decision is Decision.PAUSE:
                monitor.paused(number)
        return decision

    def replace_history(self, number: int, history: Sequence[Progress]) -> None:
        self._source.replace_history(number, history)

    def keep(self, number: int, progress: Progress) -> bool:
        return self._source.keep(number, progress)

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        return self._source.resume_from(number)

    def end(self, record: TrialRecord) -> TrialRecord:
        record = self._source.end(record)
        for monitor in self._monitors:
            monitor.ended(record)
        return record


class LiveFile:
    """A monitor that writes `live.json`: the coordinator's process, the number of trials by end state, and all others.

    The file is written at most once a second, and once more by `close`. A full disk does not end the sweep.
    """

    EVERY_S = 1.0

    def __init__(
        self, run: RunFolder, phase: str = "search", total: int | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`phase` is "search" or "confirm"; `total` is the number of trials, None where it is not known."""
        self._run, self._phase, self._total, self._clock = run, phase, total, clock
        self._started_at = clock()
        self._written = 0.0
        self._ended = dict.fromkeys((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL), 0)
        self._active: dict[int, LiveTrial] = {}

    def started(self, config: TrialConfig) -> None:
        """Adds a trial that starts or goes on."""
        trial = self._active.get(config.number) or LiveTrial.of(config)
        self._active[config.number] = trial.model_copy(update={"state": "running"})
        self._write()

    def progressed(self, number: int, progress: Progress) -> None:
        """Adds an evaluation."""
        self._active[number] = self._active[number].after(progress)
        self._write()

    def paused(self, number: int) -> None:
        """Marks a trial as paused."""
        self._active[number] = self._active[number].model_copy(update={"state": "paused"})
        self._write()

    def ended(self, record: TrialRecord) -> None:
        """Counts a trial that ended."""
        self._active.pop(record.number, None)
        self._ended[record.state] += 1
        self._write()

    def close(self, phase: str | None = None) -> None:
        """Writes the file a last time; `phase` says what the process does next."""
        self._phase = phase or self._phase
        self._write(now=True)

    def _write(self, *, now: bool = False) -> None:
        if not now and self._clock() - self._written < self.EVERY_S:
            return
        self._written = self._clock()
        with suppress(RunError):
            self._run.write_live(
                Live(
                    pid=os.getpid(),
                    phase=self._phase,
                    total=self._total,
                    started_at=self._started_at,
                    updated_at=self._written,
                    ended={state.value: count for state, count in self._ended.items()},
                    active=tuple(self._active.values()),
                )
            )
