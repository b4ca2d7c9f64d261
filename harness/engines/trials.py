"""The trials of a source that have not ended, and what every engine does with them in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeAlias, TypeVar

from harness.engines.active import Active, Ending
from harness.errors import EngineError, FailReason
from harness.records.patience import end_message
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialState
from harness.search.source import Decision, TrialSource

__all__ = ["ActiveTrials", "Outcome"]

T = TypeVar("T", bound=Active)

Outcome: TypeAlias = Ending | Literal[Decision.GO, Decision.PAUSE]
"""What follows an evaluation: the trial ends, runs on or is paused."""


class ActiveTrials(Generic[T]):
    """The trials that have not ended, by number, and those of them that wait for a slot."""

    def __init__(
        self,
        source: TrialSource,
        run: RunFolder,
        trial_type: type[T],
        *,
        drop: Callable[[T], object],
        timeout_s: float | None,
    ) -> None:
        """`drop` ends a paused trial that will never go on; a trial fails after `timeout_s` seconds of work."""
        self.source = source
        self.by_number: dict[int, T] = {}
        self.waiting: list[T] = []
        self._run = run
        self._type = trial_type
        self._drop = drop
        self._timeout_s = timeout_s

    def claim(self) -> bool:
        """Adds a trial of the source to the waiting ones; returns False when the source has none for now."""
        config = self.source.next()
        while config is None and self.end_dropped():
            config = self.source.next()
        if config is None:
            return False
        trial = self.by_number.get(config.number)
        if trial is None:
            snapshot, history = self.source.resume_from(config.number)
            folder, fresh = self._run.trial_dir(config.kind, config.number), snapshot is not None
            trial = self._type(config=config, folder=folder, history=list(history), snapshot=snapshot, fresh=fresh)
            self.by_number[config.number] = trial
        self.waiting.append(trial)
        return True

    def outcome(self, trial: T, progress: Progress) -> Outcome:
        """Asks the source about a trial's new evaluation and returns what follows."""
        decision = self.source.decide(trial.number, progress)
        if progress.done:
            message, save = end_message(trial.history, trial.config), self.source.keep(trial.number, progress)
            return Ending(state=TrialState.COMPLETE, message=message, save=save)
        seconds_left = self.seconds_left(trial)
        if seconds_left is not None and seconds_left < 0:
            return self.late()
        return Ending(state=TrialState.PRUNED) if decision is Decision.STOP else decision

    def seconds_left(self, trial: T) -> float | None:
        """Returns how much longer a trial may work; None where its time is not limited."""
        return None if self._timeout_s is None else self._timeout_s - trial.used_s

    def late(self) -> Ending:
        """Returns how a trial ends that has worked for too long."""
        message = f"not done after {self._timeout_s:g} s of work"
        return Ending(state=TrialState.FAIL, reason=FailReason.TIMEOUT, message=message)

    def end_dropped(self) -> bool:
        """Ends the paused trials that will never go on; returns True when there were any."""
        any_dropped = False
        while numbers := self.source.dropped():
            any_dropped = True
            for number in numbers:
                self._drop(self.by_number[number])
        return any_dropped

    def end(self, trial: T, ending: Ending) -> None:
        """Removes a trial, gives its record to the source, and clears its folder."""
        del self.by_number[trial.number]
        if trial in self.waiting:
            self.waiting.remove(trial)
        self.source.end(trial.record(ending, self._run))
        trial.clear()

    def refuse_stall(self) -> None:
        """Checks that no trial is left when none is running or waiting and the source has no other.

        Raises:
            EngineError: paused trials are left, which the source neither lets go on nor drops.
        """
        if self.by_number:
            numbers = ", ".join(str(number) for number in sorted(self.by_number))
            raise EngineError(f"paused trials {numbers} neither go on nor end: the trial source has stalled")
