"""Settings of this process: imports, quiet libraries, and low priority for work that runs beside trials."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["IMPORTING", "hush_libraries", "quick_imports", "stand_back"]

#: Held by a thread while it imports torch, transformers, scikit-learn or scipy for the first time. Their modules import
#: each other in circles, and where two threads go through a circle at once, Python gives one of them a module that is
#: not finished: "cannot import name".
IMPORTING = threading.RLock()
#: Environment variables that silence libraries, in this process and in those that it starts.
_SILENCE = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}

#: A thread with this niceness gets a tenth of a core beside one of usual priority, and a whole core that is idle.
NICENESS = 10


@contextmanager
def quick_imports() -> Iterator[None]:
    """Lets this thread alone import within the block, with the garbage collector switched off.

    Importing torch and transformers makes a million objects that all stay, and the collector walks through them time
    and again: 4.1 s without this, 3.3 s with it.
    """
    with IMPORTING:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if was_enabled:
                gc.enable()


def hush_libraries() -> None:
    """Keeps progress bars, notes and warnings of libraries off the terminal; what the user has set stays.

    They concern the code that calls the libraries, and users can do nothing about them.
    """
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        # Not by a filter: scikit-learn puts filters of its own before it.
        warnings.showwarning = lambda *arguments, **options: None


def stand_back() -> None:
    """Gives the calling thread, and those that it starts, a lower priority than the other threads of the machine.

    Does nothing except on Linux, where each thread has its own niceness.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
