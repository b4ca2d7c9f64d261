"""Settings of this process: quick imports, training without speed-ups, and low priority for work beside trials."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["PLAIN", "quick_imports", "stand_back", "trains_plain"]

#: The environment variable that switches the speed-ups of `training/fast/` off.
PLAIN = "HARNESS_PLAIN"

#: A thread with this niceness gets a tenth of a core beside one of usual priority, and a whole core that is idle.
NICENESS = 10


@contextmanager
def quick_imports() -> Iterator[None]:
    """Switches the garbage collector off within the block.

    Importing torch and transformers makes a million objects that all stay, and the collector walks through them time
    and again: 4.1 s without this, 3.3 s with it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def trains_plain() -> bool:
    """Returns True when this process trains without speed-ups: `HARNESS_PLAIN=1`."""
    return os.environ.get(PLAIN, "0") not in ("", "0")


def stand_back() -> None:
    """Gives the calling thread, and those that it starts, a lower priority than the other threads of the machine.

    Does nothing except on Linux, where each thread has its own niceness.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
