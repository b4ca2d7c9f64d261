"""The state of a run on Ray: which attempt of Tune runs which trial, and how each trial ended.

An attempt is what Tune calls a trial; here it is an object with a `status`. Tune pauses and resumes it. When its
process or node is lost, the trial goes on in a new attempt, from its last snapshot or by replay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from harness.engines.active import Ending
from harness.engines.messages import Evaluated, Failed, Finished
from harness.engines.ray.entry import Entry, Files, SlotNumbers, Verdict
from harness.engines.ray.queue import TrialQueue
from harness.engines.trials import ActiveTrials
from harness.errors import EngineError, FailReason
from harness.records.rundir import RunFolder
from harness.records.schema import Place, Progress, PruneReason, TrialState
from harness.search.source import Decision, TrialSource
from harness.spec.trial import TrialConfig

__all__ = ["Desk"]

#: A trial that goes on without a pause is saved when this much work would be lost.
SAVE_EVERY_S = 60.0
MOST_FAILED_STARTS = 4
#: A trial over its time ends at its next evaluation; after this much longer it is killed.
GRACE_S = 5.0


class Desk:
    """The trials of one run of a source. All methods are called in the thread that Tune runs in."""

    def __init__(
        self,
        source: TrialSource,
        run: RunFolder,
        files: Files,
        *,
        trial_timeout_s: float | None = None,
    ) -> None:
        self._trials = ActiveTrials(source, run, Entry, drop=self._prune, timeout_s=trial_timeout_s)
        self.queue = TrialQueue(self._trials)
        self._files = files
        self._node_name: Callable[[str], str] = str
        self._threads = 1
        self._slot_numbers = SlotNumbers()
        self._ended: list[Entry] = []

    def open(
        self, num_slots: Callable[[], int], node_name: Callable[[str], str], *, threads: int, ray_pauses: bool = False
    ) -> None:
        """Sets where trials run. `ray_pauses`: a scheduler of Ray may pause trials without the source."""
        self._node_name, self._threads = node_name, threads
        self.queue.open(num_slots, ray_pauses=ray_pauses)

    def entry(self, number: int) -> Entry | None:
        """Returns the trial; None when it has ended."""
        return self._trials.by_number.get(number)

    @property
    def numbers(self) -> list[int]:
        """The trials that have not ended."""
        return sorted(self._trials.by_number)

    # Results of attempts

    def record_step(self, number: int, event: Evaluated | Finished | Failed, place: Place, log: str = "") -> Verdict:
        """Records the result of a step and returns what Tune does next. `place.node` is a node's id.

        Raises:
            InputError: the study asks for something that cannot be trained.
        """
        entry = self._trials.by_number.get(number)
        if entry is None:
            return Verdict.STOP
        self._assign_slot(entry, place, event.start)
        entry.add_span(entry.slot or 0, event.start, event.end)
        entry.since = time.time()
        if log:
            self._files.append_log(entry, log)
        match event:
            case Evaluated():
                verdict = self._evaluated(entry, event)
            case Finished():
                verdict = self._finished(entry)
            case Failed():
                verdict = self._end(entry, entry.failure(event))
        self._trials.end_dropped()
        return verdict

    def _assign_slot(self, entry: Entry, place: Place, since: float) -> None:
        if entry.slot is None:
            entry.slot = self._slot_numbers.take(place.node, since)
        entry.place = place.model_copy(
            update={"node": self._node_name(place.node), "slot": entry.slot, "threads": self._threads}
        )

    def _evaluated(self, entry: Entry, event: Evaluated) -> Verdict:
        progress = entry.learn(event)
        if progress is None:
            return Verdict.AGAIN  # the source has this evaluation
        match self._trials.outcome(entry, progress):
            case Ending(save=True) as ending:
                entry.ending = ending
                return Verdict.GO  # to save its weights
            case Ending() as ending:
                return self._end(entry, ending)
            case Decision.PAUSE:
                self.paused(entry.number)
                return Verdict.PAUSE
            case Decision.GO:
                return Verdict.SAVE if entry.unsaved_s > SAVE_EVERY_S else Verdict.GO

    def _finished(self, entry: Entry) -> Verdict:
        self._files.fetch_weights(entry)
        return self._end(entry, entry.ending or Ending(state=TrialState.COMPLETE, save=True))

    def paused(self, number: int) -> None:
        """Notes that the trial is paused; its slot is free once it is saved."""
        if entry := self._trials.by_number.get(number):
            entry.paused = True
            self._free_slot(entry)
            self.queue.ask_again()

    def saved(self, number: int, resume: str) -> None:
        """Notes that the attempt's snapshot is at `resume`."""
        if entry := self._trials.by_number.get(number):
            entry.resume, entry.unsaved_s = resume, 0.0

    def adopt_training(self, number: int, config: TrialConfig, history: Sequence[Progress]) -> None:
        """Gives a trial the config and history of another one, whose weights it has taken over."""
        if entry := self._trials.by_number.get(number):
            entry.config = config
            entry.history = [progress.model_copy(update={"number": number, "span": None}) for progress in history]
            self._trials.source.replace_history(number, entry.history)

    def pruned(self, number: int, message: str = "") -> None:
        """Ends a trial that a scheduler of Ray has stopped; `message` says why."""
        if entry := self._trials.by_number.get(number):
            reason = PruneReason.RUNG if message else None
            self._end(entry, Ending(state=TrialState.PRUNED, reason=reason, message=message))
            self._trials.end_dropped()

    # Losses

    def lost(self, number: int, reason: FailReason, message: str, *, counts: bool = True, final: bool = False) -> None:
        """Handles the loss of an attempt's process: the trial goes on in a new attempt, unless it was lost too often.

        `counts` is false where the trial cannot be the cause, as when a rented node is taken back.

        Raises:
            EngineError: no process can be started for the trial.
        """
        entry = self._trials.by_number.get(number)
        if entry is None:
            return
        entry.attempt = None
        if entry.paused and not final:
            return  # it goes on from an older snapshot, or by replay
        self.queue.left(number)
        if entry.since is None and not final:
            entry.failed_starts += 1
            if entry.failed_starts > MOST_FAILED_STARTS:
                raise EngineError(f"no process can be started for trial {number}: {message}")
            self._trials.waiting.append(entry)
            return
        if entry.since is not None:
            entry.add_span(entry.slot or 0, entry.since, time.time())
        entry.losses += counts
        if entry.ending is not None and not entry.ending.save:
            self._end(entry, entry.ending)
        elif final or reason is FailReason.OOM or entry.lost_too_often:
            times = f" ({entry.losses} times)" if entry.losses > 1 else ""
            self._end(entry, Ending(state=TrialState.FAIL, reason=reason, message=f"{message}{times}"))
        else:
            self._free_slot(entry)
            self._trials.waiting.append(entry)
        self._trials.end_dropped()

    def overdue(self) -> list[Entry]:
        """Returns trials that exceed their time by too much, each once; the caller kills them."""
        now, late = time.time(), []
        for entry in self.queue.working:
            seconds_left = self._trials.seconds_left(entry)
            if seconds_left is None or entry.since is None or entry.ending is not None:
                continue
            if now - entry.since > seconds_left + GRACE_S:
                entry.ending = self._trials.late()
                late.append(entry)
        return late

    # Ends

    def _free_slot(self, entry: Entry) -> None:
        """Frees the slot of a trial."""
        self._slot_numbers.leave(entry.slot, entry.spans[-1].end if entry.spans else 0.0)
        entry.slot = entry.since = None

    def _prune(self, entry: Entry) -> None:
        """Ends a paused trial that will never go on."""
        self._end(entry, Ending(state=TrialState.PRUNED))

    def _end(self, entry: Entry, ending: Ending) -> Verdict:
        self.queue.left(entry.number)
        self._free_slot(entry)
        self._trials.end(entry, ending)
        if entry.paused and entry.attempt is not None:
            self._ended.append(entry)
        else:
            self._files.forget(entry)
        return Verdict.STOP

    def take_ended(self) -> list[Entry]:
        """Returns ended trials whose attempt is still paused, each once; the caller stops the attempts."""
        done = [entry for entry in self._ended if not entry.working]
        self._ended = [entry for entry in self._ended if entry.working]
        for entry in done:
            entry.clear()  # its snapshot may have been written after the end
            self._files.forget(entry)
        return [entry for entry in done if entry.attempt.status == "PAUSED"]
