"""Helpers of tests that look at processes."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

__all__ = ["children", "until"]


def children() -> list[psutil.Process]:
    """Returns the living child processes of this one, and their children, but not Python's resource tracker."""
    return [child for child in psutil.Process().children(recursive=True) if _counts(child)]


def _counts(child: psutil.Process) -> bool:
    """Tells whether a child lives; the resource tracker of multiprocessing lives as long as its process."""
    try:
        return child.status() != psutil.STATUS_ZOMBIE and "multiprocessing.resource_tracker" not in str(child.cmdline())
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Waits until `condition()` is true; fails after `within_s` seconds."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {within_s} s"
        time.sleep(0.02)
