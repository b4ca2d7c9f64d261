"""How this process runs: its imports, and work beside trials, which shall not be slower for it."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["quick_imports", "stand_back"]

#: Beside a thread of usual priority one gets about a tenth of a core, and a whole one where nobody wants it.
NICENESS = 10


@contextmanager
def quick_imports() -> Iterator[None]:
    """Inside, the garbage collector rests.

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


def stand_back() -> None:
    """Lets other threads of the machine go before the calling one and those that it starts.

    Nothing happens elsewhere than on Linux, where niceness is a thread's own.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
