"""The coordinator's state of a trial that has not ended, and the record that is written when it ends."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.engines.drive import LOG, SNAPSHOT, WEIGHTS
from harness.engines.messages import Evaluated, Failed
from harness.errors import InputError
from harness.records.files import leftovers
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, Reason, Span, TrialRecord, TrialState, record_of
from harness.records.shares import WRITTEN
from harness.spec.trial import TrialConfig

__all__ = ["MOST_LOSSES", "Active", "Ending"]

#: A trial fails when it has lost its process more often than this.
MOST_LOSSES = 2
#: Work on the same slot with a shorter gap than this is one span.
SAME_SPAN_S = 0.1


@dataclass(slots=True, kw_only=True)
class Ending:
    """How a trial ends once its slot has closed it."""

    state: TrialState
    reason: Reason | None = None
    message: str = ""
    save: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Active:
    """A trial that has not ended."""

    config: TrialConfig
    folder: Path
    history: list[Progress]
    snapshot: Path | None
    fresh: bool
    """True when `snapshot` is of the last evaluation, so that going on from it repeats nothing."""
    slot: int | None = None
    """The slot in whose process the trial is running or paused; None when it is in no process."""
    paused_bytes: int = 0
    """The memory that it holds in that process while it is paused."""
    offered: bool = False
    """True when the slot was asked for a snapshot, so that the trial can go on in another slot."""
    place: Place | None = None
    spans: list[Span] = field(default_factory=list)
    started_at: float = field(default_factory=time.time)
    unsaved_s: float = 0.0
    losses: int = 0
    """How often the process that held it has died or was lost."""
    ending: Ending | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """Facts for its record that only some engines know."""

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.config.number

    @property
    def used_s(self) -> float:
        """The seconds that the trial has run, over all its spans."""
        return sum(span.end - span.start for span in self.spans)

    @property
    def lost_too_often(self) -> bool:
        """True when the trial fails because of its losses."""
        return self.losses > MOST_LOSSES

    def add_span(self, slot: int, start: float, end: float) -> None:
        """Adds work on a slot; it extends the last span when it follows at once on the same slot."""
        last = self.spans[-1] if self.spans else None
        if last is not None and last.slot == slot and start - last.end < SAME_SPAN_S:
            self.spans[-1] = Span(slot=slot, start=last.start, end=max(last.end, end))
        else:
            self.spans.append(Span(slot=slot, start=start, end=end))

    def learn(self, event: Evaluated) -> Progress | None:
        """Adds an evaluation with its place and time, and returns it; returns None for the replay of an earlier one."""
        self.unsaved_s += event.end - event.start
        self.paused_bytes = event.memory_bytes
        if self.history and event.progress.step <= self.history[-1].step:
            return None
        span = Span(slot=self.slot or 0, start=event.start, end=event.end)
        self.history.append(event.progress.model_copy(update={"place": self.place, "span": span}))
        return self.history[-1]

    def failure(self, event: Failed) -> Ending:
        """Returns how a failed trial ends. Bad input is raised instead: it would fail every other trial too.

        Raises:
            InputError: the study asks for something that cannot be trained.
        """
        if event.refused and not self.history:
            raise InputError(event.message)
        return Ending(state=TrialState.FAIL, reason=event.reason, message=event.message)

    def record(self, ending: Ending, run: RunFolder) -> TrialRecord:
        """Returns the trial's record; the message of a failed trial names its log file."""
        log, message = self._log(run), ending.message
        if ending.state is TrialState.FAIL and log:
            message = f"{message} (log: {log})"
        saved = ending.save and ending.state is TrialState.COMPLETE
        return record_of(
            self.config,
            ending.state,
            self.history,
            reason=ending.reason,
            message=message,
            place=self.place,
            spans=tuple(self.spans),
            started_at=self.started_at,
            ended_at=time.time(),
            log=log,
            weights=run.relative(self.folder / WEIGHTS) if saved else None,
            extra=self.extra,
        )

    def _log(self, run: RunFolder) -> str:
        """Returns the log's path in the run folder; removes an empty log and returns ""."""
        log = self.folder / LOG
        with suppress(OSError):
            if log.stat().st_size:
                return run.relative(log)
            log.unlink()
        return ""

    def clear(self) -> None:
        """Removes snapshots and half-written weights of the trial, and its folder when nothing else is in it."""
        snapshot, weights = self.folder / SNAPSHOT, self.folder / WEIGHTS
        for path in (snapshot, *leftovers(snapshot), *leftovers(weights)):
            shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            (self.folder / WRITTEN).unlink(missing_ok=True)
            self.folder.rmdir()
