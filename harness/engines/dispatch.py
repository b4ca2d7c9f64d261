"""The loop of a study: takes trials from the source, gives them to slots, and records how each of them ended.

    source.next() --> waiting trials --> a free slot: Start, or Go for a trial that is paused there
                           ^                       |
                           |                       v  the slot trains up to the next evaluation
                           |                   Evaluated --> source.decide()
                           |                       |
                           |                       +-- GO ----> the same slot gets Go again
       source.next() gives |                       +-- PAUSE -> the trial stays in the slot's memory, the slot is free
       it again: promoted  +-----------------------+            (Spilled: its memory was needed, it is on disk now)
                                                   +-- STOP --> Finish, and the trial ends as PRUNED
                                                   +-- done --> Finish (with weights if source.keep()), ends as COMPLETE
    source.dropped() --> paused trials that never go on: Drop, and they end as PRUNED
    Failed           --> the trial ends as FAIL; its process lives on unless the device is broken
    Died             --> a running trial that was killed from outside goes on once, another one fails; the paused trials
                         of that process go on from a snapshot or by replay
    source.end(record) is called once for each ended trial; the loop ends when the source has none and all have ended.

The inline and the local engine share it, so that with one slot both make the same calls in the same order.
"""

from __future__ import annotations

import time

from harness.engines.active import Active, Ending
from harness.engines.admission import Admission
from harness.engines.drive import SNAPSHOT
from harness.engines.messages import (
    Command,
    Died,
    Drop,
    Evaluated,
    Event,
    Failed,
    Finish,
    Finished,
    Go,
    Measure,
    Measured,
    Ready,
    Release,
    Snapshot,
    Snapshotted,
    Spilled,
    Start,
)
from harness.engines.occupancy import Occupancy
from harness.engines.precisions import Precisions, SlotPrecisions
from harness.engines.protocol import Pool
from harness.engines.trials import ActiveTrials
from harness.errors import FailReason
from harness.records.precision import PrecisionChoice, unmeasured
from harness.records.rundir import RunFolder
from harness.records.schema import TrialState, repeating
from harness.search.source import Decision, TrialSource

__all__ = ["Dispatcher"]

#: A trial that goes on without a pause writes a snapshot first when that takes less than this share of the work
#: that would be lost without it; a paused trial always writes one.
SNAPSHOT_SHARE = 0.1
#: The estimated time of the first snapshot; 22 M parameters with their moments took 0.3 s.
SNAPSHOT_S = 0.3


class Dispatcher:
    """Runs one source to its end over a pool."""

    def __init__(
        self,
        source: TrialSource,
        run: RunFolder,
        pool: Pool,
        *,
        trial_timeout_s: float | None = None,
        lend_threads: bool = False,
        admission: Admission | None = None,
        precisions: Precisions | None = None,
    ) -> None:
        """Without `admission` every trial may run in every slot; with `precisions` slots measure the one for `auto`."""
        self._pool = pool
        self._trials = ActiveTrials(source, run, Active, drop=self._prune, timeout_s=trial_timeout_s)
        self._admission = Admission() if admission is None else admission
        self._slots = Occupancy(pool.places, self._admission, lend_threads=lend_threads)
        self._precisions = SlotPrecisions(precisions, pool.places)
        self._snapshot_s = SNAPSHOT_S

    def claim(self) -> bool:
        """Takes one trial from the source; returns False when the source has none for now."""
        return self._trials.claim()

    def run(self) -> None:
        """Runs until the source is finished."""
        while self._fill():
            for slot, event in self._pool.receive():
                self._handle(slot, event)
                self._trials.end_dropped()

    # Giving work to slots

    def _fill(self) -> bool:
        """Gives a trial to every idle slot, as long as there are any; returns False when the study is finished."""
        matches: list[tuple[int, Active]] = []
        while idle := self._slots.idle():
            match = self._slots.match(self._trials.waiting, self._trials.by_number.values())
            if match is not None:
                self._trials.waiting.remove(match[1])
                matches.append(match)
            elif not self._slots.has_room_for_more(len(self._trials.waiting)) or not self.claim():
                break
        for slot, trial in matches:
            self._start_or_go(slot, trial)
        if idle:
            self._offer()
        return bool(matches) or self._must_wait()

    def _must_wait(self) -> bool:
        if self._trials.waiting or self._slots.running():
            return True
        if not self._slots.idle() and self.claim():
            return True  # for a slot whose process is starting
        self._trials.refuse_stall()
        return False

    def _offer(self) -> None:
        """Asks busy slots for snapshots of waiting trials that are paused there, so that idle slots can take them."""
        for trial in self._trials.waiting:
            if trial.slot is not None and not trial.offered:
                trial.offered = True
                self._pool.send(trial.slot, Snapshot(number=trial.number))

    def _start_or_go(self, slot: int, trial: Active) -> None:
        threads = self._lent_threads(slot)
        if trial.slot == slot:
            command: Command = Go(number=trial.number, snapshot=not trial.fresh, threads=threads)
        else:
            self._drop(trial)
            config = self._precisions.resolved(repeating(trial.config, trial.history), slot)
            command = Start(config=config, folder=trial.folder, resume=trial.snapshot, threads=threads)
        trial.slot, trial.place, trial.offered = slot, self._slots[slot].place, False
        self._send(slot, trial, command)

    def _drop(self, trial: Active) -> None:
        """Has the process that holds a paused trial close it."""
        if trial.slot is not None:
            self._pool.send(trial.slot, Drop(number=trial.number))
            self._admission.add_dropped(trial.slot, trial, self._slots.running())

    def _lent_threads(self, slot: int) -> int | None:
        return None if self._trials.waiting else self._slots.lent_threads(slot, len(self._trials.by_number))

    def _send(self, slot: int, trial: Active, command: Command) -> None:
        state = self._slots[slot]
        state.running, state.since = trial, time.time()
        self._pool.send(slot, command, self._trials.seconds_left(trial) if trial.ending is None else None)

    # Events of slots

    def _handle(self, slot: int, event: Event) -> None:
        match event:
            case Ready():
                self._ready(slot)
            case Measured():
                self._measured(slot, event.choice)
            case Evaluated():
                self._evaluated(slot, event)
            case Snapshotted() | Spilled():
                self._snapshotted(slot, event)
            case Finished():
                self._finished(slot, event)
            case Failed():
                self._failed(slot, event)
            case Died():
                self._died(slot, event)

    def _ready(self, slot: int) -> None:
        """Handles the start of a slot's process; the first on each kind of device measures before any trial starts."""
        trial = next(iter(self._trials.by_number.values()), None)
        if trial is None or self._precisions.is_known(slot):
            self._slots[slot].ready = True
        elif self._precisions.wait(slot):
            self._pool.send(slot, Measure(config=trial.config))

    def _measured(self, slot: int, choice: PrecisionChoice | None) -> None:
        for known in self._precisions.learn(slot, choice):
            self._slots[known].ready = True

    def _evaluated(self, slot: int, event: Evaluated) -> None:
        trial = self._trials.by_number[event.number]
        trial.add_span(slot, event.start, event.end)
        trial.fresh = False
        progress = trial.learn(event)
        if progress is not None:
            self._admission.learn(slot, trial, self._slots.running(), self._trials.by_number.values())
        self._admission.clear_dropped(slot)
        if progress is None:
            self._go_on(slot, trial)  # a replay: the source has this evaluation
            return
        match self._trials.outcome(trial, progress):
            case Ending() as ending:
                self._finish(slot, trial, ending)
            case Decision.PAUSE:
                self._free(slot)
            case Decision.GO:
                self._go_on(slot, trial)

    def _go_on(self, slot: int, trial: Active) -> None:
        snapshot = self._snapshot_s < SNAPSHOT_SHARE * trial.unsaved_s
        if self._slots.idle() and not self._trials.waiting:
            self.claim()  # a trial for an idle slot: its threads are not lent then
        self._send(slot, trial, Go(number=trial.number, snapshot=snapshot, threads=self._lent_threads(slot)))

    def _finish(self, slot: int, trial: Active, ending: Ending) -> None:
        trial.ending = ending
        self._send(slot, trial, Finish(number=trial.number, save=ending.save))

    def _snapshotted(self, slot: int, event: Snapshotted | Spilled) -> None:
        self._snapshot_s = event.end - event.start
        trial = self._trials.by_number.get(event.number)
        if trial is None or trial.slot != slot:
            return  # the trial has ended or is in another slot
        trial.snapshot, trial.fresh, trial.unsaved_s = trial.folder / SNAPSHOT, True, 0.0
        if isinstance(event, Spilled):
            trial.slot = None
        elif self._slots[slot].running is trial:
            trial.add_span(slot, event.start, event.end)

    def _finished(self, slot: int, event: Finished) -> None:
        trial = self._trials.by_number[event.number]
        trial.add_span(slot, event.start, event.end)
        self._free(slot)
        self._end(trial, trial.ending or Ending(state=TrialState.PRUNED))

    def _failed(self, slot: int, event: Failed) -> None:
        state, trial = self._slots[slot], self._trials.by_number.get(event.number)
        if event.fatal:
            state.ready = False
        if trial is None or trial.slot != slot:
            return
        if state.running is trial:
            trial.add_span(slot, event.start, event.end)
            if event.reason is FailReason.OOM:
                self._admission.learn_out_of_memory(slot, trial, self._slots.running(), self._trials.by_number.values())
            self._free(slot)
        self._end(trial, trial.failure(event))

    def _died(self, slot: int, event: Died) -> None:
        """Fails the running trial of a dead process; its paused ones go on from a snapshot, or by replay from step 0.

        When the process was killed from outside, the running trial goes on in the same way, once.
        """
        state = self._slots[slot]
        running, since = state.running, state.since
        if self._precisions.is_waiting(slot):
            self._measured(slot, unmeasured(state.place, event.message))
        state.ready = False
        self._free(slot)
        if running is not None:
            running.add_span(slot, since, time.time())
        if running is not None and event.killed and not running.losses and running.ending is None:
            self._trials.waiting.append(running)
        elif running is not None:
            failed = Ending(state=TrialState.FAIL, reason=event.reason, message=event.message)
            failed = self._trials.late() if event.reason is FailReason.TIMEOUT else failed
            self._end(running, running.ending if running.ending and not running.ending.save else failed)
        for trial in [trial for trial in self._trials.by_number.values() if trial.slot == slot]:
            trial.slot = None
            trial.losses += 1
            if trial.lost_too_often:
                text = f"the process that held it died {trial.losses} times; the last time: {event.message}"
                self._end(trial, Ending(state=TrialState.FAIL, reason=FailReason.CRASH, message=text))

    def _free(self, slot: int) -> None:
        self._slots[slot].running = None
        self._admission.clear_dropped(slot)
        if self._admission.shared(slot):
            self._pool.send(slot, Release())

    # Ends

    def _prune(self, trial: Active) -> None:
        """Ends a paused trial that will never go on."""
        self._drop(trial)
        self._end(trial, Ending(state=TrialState.PRUNED))

    def _end(self, trial: Active, ending: Ending) -> None:
        self._admission.forget(trial.number)
        self._trials.end(trial, ending)
