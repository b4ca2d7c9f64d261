"""The local engine: one warm process for each slot of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from harness.engines.admission import Admission
from harness.engines.dispatch import Dispatcher
from harness.engines.needs import Needs
from harness.engines.precisions import Precisions
from harness.engines.processes import ProcessPool
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.search.source import TrialSource
from harness.spec.trial import TrialConfig

__all__ = ["LocalEngine"]


class LocalEngine:
    """Runs trials in worker processes that are started clean and kept warm.

    Inside a `with` block the workers outlive `run`, so that the next one (the confirmation) starts warm; without one
    they are gone when `run` returns. After an exception they are always gone.
    """

    name = "local"

    def __init__(
        self,
        run: RunFolder,
        slots: Sequence[Slot],
        *,
        trial_timeout_s: float | None = None,
        memory_budget_bytes: int | None = None,
        max_restarts: int = 3,
        lend_threads: bool = False,
        precisions: Precisions | None = None,
        models: Sequence[TrialConfig] = (),
    ) -> None:
        """`memory_budget_bytes` is what paused trials may hold in one worker (None: a share of the slot's memory);
        `max_restarts` is how often in a row a worker may die at its start; with `lend_threads` the last trials of a
        phase use the CPU threads of idle slots too; with `precisions` slots measure what `precision: auto` means;
        `models` are checked before the first trial."""
        self._run = run
        self._slots = slots
        self._needs = Needs()
        self._trial_timeout_s = trial_timeout_s
        self._lend_threads = lend_threads
        self._precisions = precisions
        self._models = models
        self._pool = ProcessPool(slots, memory_budget_bytes=memory_budget_bytes, max_restarts=max_restarts)
        self._depth = 0

    def __enter__(self) -> Self:
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if error is not None or self._depth == 0:
            self._pool.stop()

    def warm(self, trial_fn: str) -> None:
        """Starts the workers ahead of their first trial, so that their imports are done by then."""
        self._pool.warm(trial_fn)

    def run(self, source: TrialSource, data: str, trial_fn: str) -> None:
        """Runs all trials of `source`.

        Raises:
            EngineError: workers cannot be started.
        """
        with self:
            dispatcher = Dispatcher(
                source,
                self._run,
                self._pool,
                trial_timeout_s=self._trial_timeout_s,
                lend_threads=self._lend_threads,
                admission=Admission(self._slots, self._needs),
                precisions=self._precisions,
            )
            if dispatcher.claim():
                self._pool.begin(data, trial_fn, self._models)
                dispatcher.run()
