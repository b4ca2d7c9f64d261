"""Work beside trials, which shall not be slower for it.

Knows nothing of what the work is.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

__all__ = ["stand_back"]

#: Beside a thread of usual priority one gets about a tenth of a core, and a whole one where nobody wants it.
NICENESS = 10


def stand_back() -> None:
    """Lets other threads of the machine go before the calling one and those that it starts.

    Nothing happens elsewhere than on Linux, where niceness is a thread's own.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
