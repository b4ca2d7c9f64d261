"""Which trial runs in which slot, which slot a waiting trial gets, and how many threads idle slots lend."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.engines.active import Active
from harness.engines.admission import Admission
from harness.machine import resources
from harness.records.schema import Place

__all__ = ["Occupancy", "SlotState"]


@dataclass(slots=True, kw_only=True)
class SlotState:
    """The state of a slot; `since` is the Unix time of its last command."""

    place: Place
    ready: bool = False
    running: Active | None = None
    since: float = 0.0


class Occupancy:
    """All slots of a pool. A paused trial goes on in the slot that holds it.

    When that slot is busy and another one is idle, the trial goes on there: it needs a snapshot before it goes on in
    any case, so the change of slot costs only the time to read it.
    """

    def __init__(self, places: Sequence[Place], admission: Admission, *, lend_threads: bool) -> None:
        self._slots = [SlotState(place=place) for place in places]
        self._admission = admission
        self._lend_threads = lend_threads

    def __getitem__(self, slot: int) -> SlotState:
        return self._slots[slot]

    def idle(self) -> list[int]:
        """Returns the slots that can be given a trial."""
        return [slot for slot, state in enumerate(self._slots) if state.ready and state.running is None]

    def running(self) -> dict[int, Active]:
        """Returns the running trials, by slot."""
        return {slot: state.running for slot, state in enumerate(self._slots) if state.running is not None}

    def match(self, waiting: Iterable[Active], trials: Collection[Active]) -> tuple[int, Active] | None:
        """Gives the first waiting trial that is admitted to an idle slot that slot; returns both, or None.

        `trials` are all that have not ended.
        """
        idle, running = self.idle(), self.running()
        for trial in waiting:
            slot = self._admission.place(trial, _open_to(trial, idle, trials), running, trials)
            if slot is not None:
                self._slots[slot].running = trial
                return slot, trial
        return None

    def has_room_for_more(self, num_waiting: int) -> bool:
        """Returns True when idle slots could take one more waiting trial."""
        return num_waiting < self._admission.max_waiting(self.idle())

    def lent_threads(self, slot: int, num_trials: int) -> int | None:
        """Returns the threads of a CPU slot's trial with those that idle slots lend; None: the slot's own threads.

        Threads are lent until the next evaluation, and only when no other trial can need them before: none of the
        `num_trials` that have not ended is paused and could be promoted. Nothing is lent on a machine that other
        programs use: threads that waited for each other there took three times as long as one.
        """
        num_running = len(self.running())
        own = self._slots[slot].place
        if not self._lend_threads or own.device != "cpu" or (num_trials > num_running > 1):
            return None
        if resources.crowded(sum(state.place.threads for state in self._slots)):
            return None
        idle = sum(self._slots[other].place.threads for other in self.idle())
        return own.threads + idle // num_running if idle >= num_running else None


def _open_to(trial: Active, idle: Sequence[int], trials: Collection[Active]) -> Iterator[int]:
    """Yields the idle slots that can take a waiting trial: the one that holds it, then those that hold the fewest."""
    yield from (slot for slot in idle if slot == trial.slot)
    if trial.slot is None or trial.fresh:
        holders = [other.slot for other in trials]
        yield from sorted(idle, key=holders.count)
