"""Prints lines one at a time, and a line on the state whenever nothing was printed for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Heartbeat"]

#: The longest time without a line, in seconds.
INTERVAL_S = 60.0


class Heartbeat:
    """Prints the lines of all threads; between `start` and `close` it also ends every silence with `state()`."""

    def __init__(self, write: Callable[[str], None], state: Callable[[], str]) -> None:
        self._write, self._state = write, state
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._printed_at = time.monotonic()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread that ends silences."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; it prints nothing from now on."""
        with self._lock:
            self._closed.set()
        self._thread.join()

    def print_line(self, line: str) -> None:
        """Prints one line.

        Raises:
            BaseException: what the thread could not print its line for (a closed pipe, a full disk).
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            self._print(line)

    def _print(self, line: str) -> None:
        self._write(line)
        self._printed_at = time.monotonic()

    def _run(self) -> None:
        while not self._closed.wait(self._printed_at + INTERVAL_S - time.monotonic()):
            with self._lock:
                if self._closed.is_set() or time.monotonic() < self._printed_at + INTERVAL_S:
                    continue
                try:
                    self._print(self._state())
                except BaseException as error:  # in a thread it would be lost: the next `print_line` raises it
                    self._error = error
                    return
