"""Which trial moves in which slot, where a waiting one can go on, and what idle slots lend.

Knows nothing of the source, of commands or of processes.
"""

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
    """A slot as the coordinator sees it; `since` is when it was given its last command (Unix time)."""

    place: Place
    ready: bool = False
    running: Active | None = None
    since: float = 0.0


class Occupancy:
    """All slots of a pool. A paused trial goes on in the slot where it stands.

    When that slot is busy and another one is idle, the trial moves: a snapshot is due before it goes on in any case, so
    the move costs no more than reading it.
    """

    def __init__(self, places: Sequence[Place], admission: Admission, *, lend_threads: bool) -> None:
        self._slots = [SlotState(place=place) for place in places]
        self._admission = admission
        self._lend_threads = lend_threads

    def __getitem__(self, slot: int) -> SlotState:
        return self._slots[slot]

    def idle(self) -> list[int]:
        """The slots that can be given work."""
        return [slot for slot, state in enumerate(self._slots) if state.ready and state.running is None]

    def running(self) -> dict[int, Active]:
        """The trials that move, by slot."""
        return {slot: state.running for slot, state in enumerate(self._slots) if state.running is not None}

    def match(self, waiting: Iterable[Active], trials: Collection[Active]) -> tuple[int, Active] | None:
        """Gives the first of the waiting trials that an idle slot can take, and that is admitted there, that slot.

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
        """True when idle slots could take a trial that does not wait yet."""
        return num_waiting < self._admission.max_waiting(self.idle())

    def lent_threads(self, slot: int, num_trials: int) -> int | None:
        """What the trial of a CPU slot may use while others are idle and no trial waits; None: the slot's own.

        Threads are lent until the next evaluation, and only when nothing can want them back before: of the `num_trials`
        that have not ended none stands that another one's evaluation could set going. On a machine that others use too
        nothing is lent: threads that wait for each other there took three times as long as one.
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
    """The idle slots that can take a waiting trial now: where it stands, then those where the fewest stand."""
    yield from (slot for slot in idle if slot == trial.slot)
    if trial.slot is None or trial.fresh:
        standing = [other.slot for other in trials]
        yield from sorted(idle, key=standing.count)
