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
from collections.abc import Sequence
from typing import Protocol

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
from harness.engines.precisions import Precisions
from harness.errors import EngineError, FailReason
from harness.records.precision import PrecisionChoice, device_kind, unmeasured
from harness.records.rundir import RunFolder
from harness.records.schema import Place, TrialState, repeating
from harness.search.source import Decision, TrialSource
from harness.spec.trial import TrialConfig

__all__ = ["Dispatcher", "Pool"]

#: A trial that goes on without a pause writes a snapshot first when that takes less than this share of the work
#: that would be lost without it; a paused trial always writes one.
SNAPSHOT_SHARE = 0.1
#: The estimated time of the first snapshot; 22 M parameters with their moments took 0.3 s.
SNAPSHOT_S = 0.3
#: A paused trial fails when the processes that held it have died this many times.
MOST_LOSSES = 3


class Pool(Protocol):
    """The slots of an engine. A slot executes its commands in order; every event is returned once."""

    @property
    def places(self) -> Sequence[Place]:
        """The places of the slots, by slot number."""

    def send(self, slot: int, command: Command, limit_s: float | None = None) -> None:
        """Queues a command for a slot without waiting. Where it can, a pool kills a slot that exceeds `limit_s`."""

    def receive(self) -> list[tuple[int, Event]]:
        """Waits for events of the slots and returns them; the list may be empty."""


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
        self._source = source
        self._run = run
        self._pool = pool
        self._timeout_s = trial_timeout_s
        self._admission = Admission() if admission is None else admission
        self._slots = Occupancy(pool.places, self._admission, lend_threads=lend_threads)
        self._trials: dict[int, Active] = {}
        self._waiting: list[Active] = []
        self._snapshot_s = SNAPSHOT_S
        self._precisions = precisions
        self._unmeasured: list[int] = []

    def claim(self) -> bool:
        """Takes one trial from the source; returns False when the source has none for now."""
        config = self._source.next()
        while config is None and self._end_dropped():
            config = self._source.next()
        if config is None:
            return False
        trial = self._trials.get(config.number)
        if trial is None:
            snapshot, history = self._source.resume_from(config.number)
            folder = self._run.trial_dir(config.kind, config.number)
            trial = Active(
                config=config, folder=folder, history=list(history), snapshot=snapshot, fresh=snapshot is not None
            )
            self._trials[config.number] = trial
        self._waiting.append(trial)
        return True

    def run(self) -> None:
        """Runs until the source is finished."""
        while self._fill():
            for slot, event in self._pool.receive():
                self._handle(slot, event)
                self._end_dropped()

    # Giving work to slots

    def _fill(self) -> bool:
        """Gives a trial to every idle slot, as long as there are any; returns False when the study is finished."""
        matches: list[tuple[int, Active]] = []
        while idle := self._slots.idle():
            match = self._slots.match(self._waiting, self._trials.values())
            if match is not None:
                self._waiting.remove(match[1])
                matches.append(match)
            elif not self._slots.has_room_for_more(len(self._waiting)) or not self.claim():
                break
        for slot, trial in matches:
            self._start_or_go(slot, trial)
        if idle:
            self._offer()
        return bool(matches) or self._must_wait()

    def _must_wait(self) -> bool:
        if self._waiting or self._slots.running():
            return True
        if not self._slots.idle() and self.claim():
            return True  # for a slot whose process is starting
        if self._trials:
            numbers = ", ".join(str(number) for number in sorted(self._trials))
            raise EngineError(f"paused trials {numbers} neither go on nor end: the trial source has stalled")
        return False

    def _offer(self) -> None:
        """Asks busy slots for snapshots of waiting trials that are paused there, so that idle slots can take them."""
        for trial in self._waiting:
            if trial.slot is not None and not trial.offered:
                trial.offered = True
                self._pool.send(trial.slot, Snapshot(number=trial.number))

    def _start_or_go(self, slot: int, trial: Active) -> None:
        threads = self._lent_threads(slot)
        if trial.slot == slot:
            command: Command = Go(number=trial.number, snapshot=not trial.fresh, threads=threads)
        else:
            self._drop(trial)
            config = self._resolved(repeating(trial.config, trial.history), self._slots[slot].place)
            command = Start(config=config, folder=trial.folder, resume=trial.snapshot, threads=threads)
        trial.slot, trial.place, trial.offered = slot, self._slots[slot].place, False
        self._send(slot, trial, command)

    def _drop(self, trial: Active) -> None:
        """Has the process that holds a paused trial close it."""
        if trial.slot is not None:
            self._pool.send(trial.slot, Drop(number=trial.number))
            self._admission.add_dropped(trial.slot, trial, self._slots.running())

    def _lent_threads(self, slot: int) -> int | None:
        return None if self._waiting else self._slots.lent_threads(slot, len(self._trials))

    def _send(self, slot: int, trial: Active, command: Command) -> None:
        state = self._slots[slot]
        state.running, state.since = trial, time.time()
        limited = self._timeout_s is not None and trial.ending is None
        self._pool.send(slot, command, self._timeout_s - trial.used_s if limited and self._timeout_s else None)

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
        place, trial = self._slots[slot].place, next(iter(self._trials.values()), None)
        if self._precisions is None or self._precisions.is_measured(place) or trial is None:
            self._slots[slot].ready = True
            return
        if not self._unmeasured_like(place):
            self._pool.send(slot, Measure(config=trial.config))
        self._unmeasured.append(slot)

    def _unmeasured_like(self, place: Place) -> list[int]:
        kind = device_kind(place)
        return [slot for slot in self._unmeasured if device_kind(self._slots[slot].place) == kind]

    def _measured(self, slot: int, choice: PrecisionChoice | None) -> None:
        place = self._slots[slot].place
        if self._precisions is not None:
            self._precisions.learn(place, choice)
        for other in self._unmeasured_like(place):
            self._unmeasured.remove(other)
            self._slots[other].ready = True

    def _resolved(self, config: TrialConfig, place: Place) -> TrialConfig:
        """Returns the config with `precision: auto` replaced by the precision of its device, where that is known."""
        if self._precisions is None or config.training.precision != "auto":
            return config
        precision = self._precisions.of(place)
        return config if precision is None else config.in_precision(precision)

    def _evaluated(self, slot: int, event: Evaluated) -> None:
        trial = self._trials[event.number]
        trial.add_span(slot, event.start, event.end)
        trial.fresh = False
        progress = trial.learn(event)
        if progress is not None:
            self._admission.learn(slot, trial, self._slots.running(), self._trials.values())
        self._admission.clear_dropped(slot)
        if progress is None:
            self._go_on(slot, trial)  # a replay: the source has this evaluation
            return
        decision = self._source.decide(trial.number, progress)
        if progress.done:
            save = self._source.keep(trial.number, progress)
            self._finish(slot, trial, Ending(state=TrialState.COMPLETE, save=save))
        elif self._timeout_s is not None and trial.used_s > self._timeout_s:
            self._finish(slot, trial, self._late())
        elif decision is Decision.STOP:
            self._finish(slot, trial, Ending(state=TrialState.PRUNED))
        elif decision is Decision.PAUSE:
            self._free(slot)
        else:
            self._go_on(slot, trial)

    def _go_on(self, slot: int, trial: Active) -> None:
        snapshot = self._snapshot_s < SNAPSHOT_SHARE * trial.unsaved_s
        if self._slots.idle() and not self._waiting:
            self.claim()  # a trial for an idle slot: its threads are not lent then
        self._send(slot, trial, Go(number=trial.number, snapshot=snapshot, threads=self._lent_threads(slot)))

    def _finish(self, slot: int, trial: Active, ending: Ending) -> None:
        trial.ending = ending
        self._send(slot, trial, Finish(number=trial.number, save=ending.save))

    def _late(self) -> Ending:
        message = f"not done after {self._timeout_s:g} s of work"
        return Ending(state=TrialState.FAIL, reason=FailReason.TIMEOUT, message=message)

    def _snapshotted(self, slot: int, event: Snapshotted | Spilled) -> None:
        self._snapshot_s = event.end - event.start
        trial = self._trials.get(event.number)
        if trial is None or trial.slot != slot:
            return  # the trial has ended or is in another slot
        trial.snapshot, trial.fresh, trial.unsaved_s = trial.folder / SNAPSHOT, True, 0.0
        if isinstance(event, Spilled):
            trial.slot = None
        elif self._slots[slot].running is trial:
            trial.add_span(slot, event.start, event.end)

    def _finished(self, slot: int, event: Finished) -> None:
        trial = self._trials[event.number]
        trial.add_span(slot, event.start, event.end)
        self._free(slot)
        self._end(trial, trial.ending or Ending(state=TrialState.PRUNED))

    def _failed(self, slot: int, event: Failed) -> None:
        state, trial = self._slots[slot], self._trials.get(event.number)
        if event.fatal:
            state.ready = False
        if trial is None or trial.slot != slot:
            return
        if state.running is trial:
            trial.add_span(slot, event.start, event.end)
            if event.reason is FailReason.OOM:
                self._admission.learn_out_of_memory(slot, trial, self._slots.running(), self._trials.values())
            self._free(slot)
        self._end(trial, trial.failure(event))

    def _died(self, slot: int, event: Died) -> None:
        """Fails the running trial of a dead process; its paused ones go on from a snapshot, or by replay from step 0.

        When the process was killed from outside, the running trial goes on in the same way, once.
        """
        state = self._slots[slot]
        running, since = state.running, state.since
        if slot in self._unmeasured:
            self._measured(slot, unmeasured(state.place, event.message))
        state.ready = False
        self._free(slot)
        if running is not None:
            running.add_span(slot, since, time.time())
        if running is not None and event.killed and not running.losses and running.ending is None:
            self._waiting.append(running)
        elif running is not None:
            failed = Ending(state=TrialState.FAIL, reason=event.reason, message=event.message)
            failed = self._late() if event.reason is FailReason.TIMEOUT else failed
            self._end(running, running.ending if running.ending and not running.ending.save else failed)
        for trial in [trial for trial in self._trials.values() if trial.slot == slot]:
            trial.slot = None
            trial.losses += 1
            if trial.losses >= MOST_LOSSES:
                text = f"the process that held it died {trial.losses} times; the last time: {event.message}"
                self._end(trial, Ending(state=TrialState.FAIL, reason=FailReason.CRASH, message=text))

    def _free(self, slot: int) -> None:
        self._slots[slot].running = None
        self._admission.clear_dropped(slot)
        if self._admission.shared(slot):
            self._pool.send(slot, Release())

    # Ends

    def _end_dropped(self) -> bool:
        """Ends the paused trials that will never go on; returns True when there were any."""
        any_dropped = False
        while numbers := self._source.dropped():
            any_dropped = True
            for number in numbers:
                trial = self._trials[number]
                self._drop(trial)
                self._end(trial, Ending(state=TrialState.PRUNED))
        return any_dropped

    def _end(self, trial: Active, ending: Ending) -> None:
        del self._trials[trial.number]
        self._admission.forget(trial.number)
        if trial in self._waiting:
            self._waiting.remove(trial)
        self._source.end(trial.record(ending, self._run))
        trial.clear()
