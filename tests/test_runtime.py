from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.runtime import NICENESS, stand_back


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is a thread's own on Linux only")
def test_stand_back_is_for_the_calling_thread_and_those_that_it_starts() -> None:
    before = niceness()

    def inner() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(niceness).result()

    with ThreadPoolExecutor(1, initializer=stand_back) as pool:
        assert pool.submit(niceness).result() == max(before, NICENESS)
        assert pool.submit(inner).result() == max(before, NICENESS)
    assert niceness() == before
