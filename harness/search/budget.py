"""The wall time that a search may still use, over all its continuations."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from harness.records.store import TrialStore

__all__ = ["Budget"]

SPENT = "spent_s"
#: The spent time is written this often, so a killed coordinator loses at most this much of it.
WRITE_EVERY_S = 5.0


class Budget:
    """A clock that starts at the first `tick`; the time spent is stored as an attribute of the study.

    Confirmation and report never call `tick`, so their time does not count."""

    def __init__(self, minutes: float | None, store: TrialStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = math.inf if minutes is None else minutes * 60
        self._store = store
        self._clock = clock
        self._before_s = float(store.get(SPENT, 0.0))
        self._since: float | None = None
        self._written = -math.inf

    @property
    def spent_s(self) -> float:
        """Wall time of the search, earlier continuations included."""
        return self._before_s + (0.0 if self._since is None else self._clock() - self._since)

    @property
    def left_s(self) -> float:
        """Seconds that the search may still use: infinite without a limit, negative when it is exceeded."""
        return self._limit_s - self.spent_s

    def tick(self, *, write: bool = False) -> None:
        """Starts the clock at the first call; stores the spent time every `WRITE_EVERY_S`, or now with `write`."""
        now = self._clock()
        if self._since is None:
            self._since = now
        if write or now - self._written > WRITE_EVERY_S:
            self._store.set(SPENT, self.spent_s)
            self._written = now
