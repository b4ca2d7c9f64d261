"""Ends a process that was started for work when the process that started it is gone, however that died.

The starter gives it a session of its own and an open pipe as standard input, and never writes to the pipe: the kernel
closes it when the starter dies.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from contextlib import suppress

__all__ = ["die_with_parent", "kill_group"]

STDIN = 0


def die_with_parent() -> None:
    """Makes the kernel kill this process's group when the parent's end of standard input is closed.

    A thread would need the interpreter's lock for that, which a long C call may hold; off Linux there is no other way.
    """
    lifeline = os.dup(STDIN)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, STDIN)
    os.close(null)
    if not hasattr(fcntl, "F_SETSIG"):
        threading.Thread(target=_die_at_the_end, args=(lifeline,), name="lifeline", daemon=True).start()
        return
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        if os.read(lifeline, 1) == b"":
            kill_group()  # the parent died before the signal was armed


def _die_at_the_end(lifeline: int) -> None:
    """Waits until the pipe is closed."""
    if os.read(lifeline, 1) == b"":
        kill_group()


def kill_group() -> None:
    """Kills this process and all that it started."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
