"""The time profile of a sweep: seconds by phase, and in phases with trials seconds by part of each slot.

Every second of the wall clock belongs to one phase, and in a phase with trials to one part of each slot, so that the
parts of a slot add up to the wall clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from harness.records.results import Results
from harness.records.schema import Span, TrialRecord, Usage
from harness.spec.space import Frozen

__all__ = ["PARTS", "PHASES", "PROFILE", "Phases", "Profile", "SlotTime", "profile_of"]

Phase = Literal["preparing", "search", "confirm", "concluding", "report"]
PHASES: tuple[Phase, ...] = ("preparing", "search", "confirm", "concluding", "report")
#: The parts of a slot's time in a phase with trials. `waking`: until its first trial of the phase; `ending`: saving and
#: freeing the model of a finished trial, and work that led to no evaluation; `idle`: no trial, or between two commands.
PARTS = ("waking", *Usage().times(), "ending", "idle")
#: File in the run folder.
PROFILE = "profile.json"


class SlotTime(Frozen):
    """Seconds of one slot by part, in one phase."""

    phase: Phase
    slot: int
    parts: dict[str, float]


class Profile(Frozen):
    """The times of one call of `harness sweep`: `wall_s` since its process started, and seconds by phase."""

    wall_s: float
    phases: dict[Phase, float]
    slots: tuple[SlotTime, ...] = ()


class Phases:
    """A stopwatch over the phases of a sweep; it starts in "preparing", at the start of the process."""

    def __init__(self, *, clock: Callable[[], float] = time.time, age_s: float | None = None) -> None:
        self._clock = clock
        self._phase: Phase = "preparing"
        self._since = clock() - (_process_age_s() if age_s is None else age_s)
        self._bounds: dict[Phase, tuple[float, float]] = {}

    def go(self, phase: Phase) -> None:
        """Ends the current phase and begins `phase`, unless it goes on; every phase occurs once."""
        if phase == self._phase:
            return
        self.stop()
        self._phase = phase

    def stop(self) -> dict[Phase, tuple[float, float]]:
        """Ends the current phase; returns begin and end of each phase so far (Unix times, seconds)."""
        now = self._clock()
        self._bounds[self._phase] = (self._since, now)
        self._since = now
        return dict(self._bounds)


def _process_age_s() -> float:
    """Seconds since this process was started, to 0.01 s; 0 on systems other than Linux."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        # Field 22 of proc(5) stat, counted behind the name, which may hold spaces.
        started = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(started) / os.sysconf("SC_CLK_TCK")
    return 0.0


def profile_of(results: Results, bounds: dict[Phase, tuple[float, float]], num_slots: int) -> Profile:
    """The profile of one sweep, from its phases and its records.

    `num_slots` is a lower bound: on a cluster the records alone show how many slots there were.
    """
    records: dict[Phase, Sequence[TrialRecord]] = {"search": results.trials, "confirm": results.confirm}
    begin = min(start for start, _ in bounds.values())
    spans = [span for group in records.values() for record in group for span in record.spans]
    num_slots = max([num_slots, *(span.slot + 1 for span in spans if span.end > begin)])
    return Profile(
        wall_s=max(end for _, end in bounds.values()) - min(start for start, _ in bounds.values()),
        phases={phase: bounds[phase][1] - bounds[phase][0] for phase in PHASES if phase in bounds},
        slots=tuple(
            SlotTime(phase=phase, slot=slot, parts=_slot_parts(records[phase], slot, bounds[phase]))
            for phase in records
            if phase in bounds
            for slot in range(num_slots)
        ),
    )


def _slot_parts(records: Sequence[TrialRecord], slot: int, window: tuple[float, float]) -> dict[str, float]:
    """Seconds by part of one slot in a window of time."""
    parts = dict.fromkeys(PARTS, 0.0)
    begins = []
    for record in records:
        spans = [clipped for span in record.spans if span.slot == slot and (clipped := _clip(span, window))]
        begins += [start for start, _ in spans]
        seconds = sum(end - start for start, end in spans)
        for part, share in _shares(record).items():
            parts[part] += share * seconds
    start, end = window
    parts["waking"] = min(begins, default=end) - start
    parts["idle"] = max(0.0, end - start - sum(parts.values()))
    return parts


def _clip(span: Span, window: tuple[float, float]) -> tuple[float, float] | None:
    start, end = max(span.start, window[0]), min(span.end, window[1])
    return (start, end) if end > start else None


def _shares(record: TrialRecord) -> dict[str, float]:
    """The shares of a trial's time on its slots by part; they add up to 1.

    The same shares hold for all slots of a trial that moved, or that an earlier sweep began. A trial's clock is read at
    its evaluations, so time on a slot that no evaluation covers is `ending`.
    """
    times, used_s = record.usage.times(), record.duration_s
    whole_s = max(used_s, sum(times.values()))
    if not whole_s:
        return {}
    return {part: seconds / whole_s for part, seconds in times.items()} | {"ending": 1 - sum(times.values()) / whole_s}
