"""A monitor that passes every event of a sweep to the loggers, in a thread of its own.

A slow server must not hold up the trials, and a broken one must not end the sweep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from harness.loggers.base import Logger
from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig

__all__ = ["Loggers"]

_CLOSING_S = 30.0

Call = Callable[[Logger], None]


class Loggers:
    """Several loggers as one `harness.search.watch.Monitor`; a logger that raises is left out from then on.

    Leaving the context waits until all events are passed on, for 30 s at most.
    """

    def __init__(self, loggers: Mapping[str, Logger], say: Callable[[str], None]) -> None:
        """`say` gets a line when a logger is left out, with the reason; it is called from another thread."""
        self._loggers, self._say = dict(loggers), say
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="loggers", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls.put(lambda logger: logger.close())
        self._calls.put(None)
        self._thread.join(_CLOSING_S)
        if self._thread.is_alive():
            self._say(f"{', '.join(self._loggers)}: does not answer; its log may miss the end of this run")

    def started(self, config: TrialConfig) -> None:
        """Passes the start of a trial on."""
        self._calls.put(lambda logger: logger.started(config))

    def progressed(self, number: int, progress: Progress) -> None:
        """Passes an evaluation on."""
        self._calls.put(lambda logger: logger.progressed(number, progress))

    def paused(self, number: int) -> None:
        """Passes a pause on."""
        self._calls.put(lambda logger: logger.paused(number))

    def ended(self, record: TrialRecord) -> None:
        """Passes the end of a trial on."""
        self._calls.put(lambda logger: logger.ended(record))

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            for name, logger in list(self._loggers.items()):
                try:
                    call(logger)
                except Exception as error:  # their packages raise anything, and none of it concerns the sweep
                    del self._loggers[name]
                    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                    self._say(f"{name}: nothing more is logged there ({reason[:200]}); the sweep goes on")
