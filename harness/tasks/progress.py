"""Tells how much of a long work inside a task is done, such as the answers that a model writes, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Listener", "listening", "tell"]

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
