"""Large packages, imported in three quarters of the time.

Knows nothing of which packages these are.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quick_imports"]


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
