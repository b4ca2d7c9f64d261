"""The inline engine: one slot, this process. For debugging and tests; a timeout is only checked at evaluations."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from harness.engines.dispatch import Dispatcher
from harness.engines.drive import Driver, load_trial_function
from harness.engines.messages import Command, Event, Failed, Ready
from harness.engines.precisions import Precisions
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.search.source import TrialSource
from harness.spec.trial import TrialConfig
from harness.training.host import Host

__all__ = ["InlineEngine"]


class InlinePool:
    """A pool of one slot that executes its commands in `receive`."""

    def __init__(self, slot: Slot, driver: Driver) -> None:
        self.places = [slot.place]
        self._driver = driver
        self._commands: deque[Command] = deque()
        self._events: list[tuple[int, Event]] = [(0, Ready())]

    def send(self, slot: int, command: Command, limit_s: float | None = None) -> None:
        """Queues a command; `limit_s` is ignored, as this process cannot interrupt itself."""
        self._commands.append(command)

    def receive(self) -> list[tuple[int, Event]]:
        """Executes the queued commands up to the first that has events, and returns those."""
        while self._commands and not self._events:
            for event in self._driver.execute(self._commands.popleft()):
                self._events.append((0, event))
                if isinstance(event, Failed) and event.fatal:
                    self._events.append((0, Ready()))  # there is no other process that could go on
        events, self._events = self._events, []
        return events


class InlineEngine:
    """Runs trials one after the other in this process, with the same decisions as the local engine on one slot."""

    name = "inline"

    def __init__(
        self,
        run: RunFolder,
        slot: Slot,
        *,
        trial_timeout_s: float | None = None,
        memory_budget_bytes: int | None = None,
        precisions: Precisions | None = None,
        models: Sequence[TrialConfig] = (),
    ) -> None:
        """`models` are checked before the first trial."""
        self._run = run
        self._slot = slot
        self._trial_timeout_s = trial_timeout_s
        self._precisions = precisions
        self._models = models
        self._host = Host(place=slot.place)
        self._budget_bytes = slot.standing_bytes(memory_budget_bytes)

    def run(self, source: TrialSource, data: str, trial_fn: str) -> None:
        """Runs all trials of `source`; on any exception the active trials are closed, and stay RUNNING."""
        driver = Driver(
            self._host,
            data,
            load_trial_function(trial_fn),
            memory_budget_bytes=self._budget_bytes,
            models=self._models,
        )
        pool = InlinePool(self._slot, driver)
        try:
            dispatcher = Dispatcher(
                source, self._run, pool, trial_timeout_s=self._trial_timeout_s, precisions=self._precisions
            )
            if dispatcher.claim():
                dispatcher.run()
        finally:
            driver.close_all()
