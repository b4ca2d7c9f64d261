"""Tells how much of a long work inside a task is done, such as the answers that a model writes, to whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["Listener", "Shares", "listening", "tell"]

#: Gets the units of work that were done, and those that were added to the whole, since it was told last.
Listener = Callable[[int, int], None]

_LISTENERS: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tells `listener` of the work of all threads of this process within the block, in the thread that does it."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def tell(done: int, added: int = 0) -> None:
    """Tells that `done` more units of work are done (below 0: so many less), and that `added` more are to be done."""
    for listener in tuple(_LISTENERS):
        listener(done, added)


class Shares:
    """A listener that hands on which share of the work is done: every `every_s` seconds at most, and 1 at the end."""

    def __init__(self, told: Callable[[float], object], every_s: float = 1.0) -> None:
        self._told, self._every_s, self._lock = told, every_s, Lock()
        self._done = self._whole = 0
        self._told_at = time.monotonic()

    def __call__(self, done: int, added: int) -> None:
        """Notes `done` more units of work, and `added` more to do."""
        with self._lock:
            self._done, self._whole, now = self._done + done, self._whole + added, time.monotonic()
            is_over = self._done == self._whole
            if self._whole and (is_over or now - self._told_at >= self._every_s):
                self._told_at = now
                self._told(self._done / self._whole)
            if is_over:  # what comes next is other work
                self._done = self._whole = 0
