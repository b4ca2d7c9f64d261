"""Which trial Tune runs next: a new attempt for a waiting trial, or a paused attempt that goes on.

The source is asked in the same order as by the other engines: when a slot is free, after each evaluation, and at each
end of a trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.engines.ray.entry import Attempt, Entry
from harness.engines.trials import ActiveTrials

__all__ = ["TrialQueue"]

#: The source is asked again this often: it may have new trials, or drop some, for lack of time for example.
ASK_EVERY_S = 1.0
GIVEN_UP = ("ERROR", "TERMINATED")


class TrialQueue:
    """The trials that wait for a slot, and those that have one."""

    def __init__(self, trials: ActiveTrials[Entry]) -> None:
        self._trials = trials
        self._num_slots: Callable[[], int] = lambda: 0
        self._ray_pauses = False
        self._working: dict[int, Entry] = {}
        self._ask_now = True
        self._asked_at = 0.0
        self._exhausted = False

    def open(self, num_slots: Callable[[], int], *, ray_pauses: bool) -> None:
        """Sets how many may run at once. `ray_pauses`: a scheduler of Ray may pause trials without the source."""
        self._num_slots, self._ray_pauses = num_slots, ray_pauses

    def claim(self) -> bool:
        """Takes a trial from the source; returns False when the source has none for now."""
        claimed = self._trials.claim()
        self._exhausted = not claimed
        return claimed

    def fill(self) -> None:
        """Claims a trial for each free slot, as long as the source has any.

        Raises:
            EngineError: all trials are paused, and the source neither lets them go on nor drops them.
        """
        now = time.monotonic()
        if not self._ask_now and now - self._asked_at < ASK_EVERY_S:
            return
        while self._num_free() > 0:
            if not self.claim():
                self._ask_now, self._asked_at = False, now
                if not self._working and not self._trials.waiting and not self._ray_pauses:
                    self._trials.refuse_stall()
                return

    def _num_free(self) -> int:
        self._working = {number: entry for number, entry in self._working.items() if not entry.paused or entry.working}
        return self._num_slots() - len(self._working) - len(self._trials.waiting)

    def ask_again(self) -> None:
        """Has the source asked when `fill` is called next: a slot is free, or will be soon."""
        self._ask_now = True

    def check_room(self) -> None:
        """Checks that trials which wait for a process can get one; Tune asks for no more trials meanwhile.

        Raises:
            EngineError: there is no node on which they fit.
        """
        self._num_slots()

    def take_new(self) -> Entry | None:
        """Returns a waiting trial that needs an attempt."""
        entry = next((entry for entry in self._trials.waiting if entry.attempt is None), None)
        if entry is not None:
            self._trials.waiting.remove(entry)
            entry.paused = False
        return entry

    def take_paused(self) -> Entry | None:
        """Returns a waiting trial whose paused attempt can go on."""
        for entry in self._trials.waiting:
            if entry.attempt is not None and entry.attempt.status == "PAUSED":
                self._trials.waiting.remove(entry)
                self.resumed(entry.number)
                return entry
        return None

    def added(self, number: int, attempt: Attempt) -> None:
        """Notes that Tune has created an attempt for a trial."""
        entry = self._trials.by_number[number]
        if entry in self._trials.waiting:
            self._trials.waiting.remove(entry)
        entry.attempt = attempt
        self._working[number] = entry

    def started(self, number: int) -> None:
        """Notes that the attempt has a process and begins its first step."""
        if entry := self._trials.by_number.get(number):
            entry.since = time.time()
            entry.failed_starts, entry.paused = 0, False
            self._working[number] = entry

    def resumed(self, number: int) -> None:
        """Notes that a paused trial goes on."""
        if entry := self._trials.by_number.get(number):
            entry.paused = False
            self._working[number] = entry

    def left(self, number: int) -> None:
        """Notes that the trial needs its slot no more."""
        self._working.pop(number, None)
        self._ask_now = True

    @property
    def working(self) -> tuple[Entry, ...]:
        """The trials that have a slot."""
        return tuple(self._working.values())

    @property
    def finished(self) -> bool:
        """True when the source had nothing left and all trials have ended."""
        return self._exhausted and not self._trials.by_number

    def vanished(self) -> list[int]:
        """Returns trials whose attempts Tune has given up without a call, as when a process refuses another trial."""
        return [
            number
            for number, entry in self._working.items()
            if entry.attempt is not None and entry.attempt.status in GIVEN_UP
        ]
