"""A source with a fixed list of trials for tests of engines, which notes every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord
from harness.search.source import Decision
from harness.spec.trial import TrialConfig

__all__ = ["FakeSource"]


class FakeSource:
    """A `TrialSource` over a fixed list; `calls` notes each call of the engine, `records` are the ended trials.

    `pause_at`: all trials pause at that step until every one has come to it; then the best `top` go on and the others
    are dropped. `stop(number, progress)` says which are stopped, `keep` whether their weights are kept. With `folder`,
    trials resume from the snapshots there.
    """

    def __init__(
        self,
        configs: list[TrialConfig],
        *,
        pause_at: int = 0,
        top: int = 1,
        stop: Callable[[int, Progress], bool] = lambda number, progress: False,
        keep: bool = False,
        folder: RunFolder | None = None,
    ) -> None:
        self._new = list(configs)
        self._pause_at, self._top, self._stop, self._keep = pause_at, top, stop, keep
        self._folder = folder
        self._configs = {config.number: config for config in configs}
        self._coming = set(self._configs)
        self._paused: dict[int, float] = {}
        self._promoted: list[int] = []
        self._dropped: list[int] = []
        self.calls: list[str] = []
        self.records: list[TrialRecord] = []

    @property
    def by_number(self) -> dict[int, TrialRecord]:
        """The records of the trials that have ended."""
        return {record.number: record for record in self.records}

    def next(self) -> TrialConfig | None:
        number = self._promoted.pop(0) if self._promoted else self._new.pop(0).number if self._new else None
        self.calls.append(f"next {number}")
        return None if number is None else self._configs[number]

    def replace_history(self, number: int, history: Sequence[Progress]) -> None:
        self.calls.append(f"replace {number} {[progress.step for progress in history]}")

    def dropped(self) -> list[int]:
        dropped, self._dropped = self._dropped, []
        return dropped

    def decide(self, number: int, progress: Progress) -> Decision:
        self.calls.append(f"decide {number} {progress.step} {progress.train_loss!r}")
        if self._stop(number, progress):
            return Decision.STOP
        if progress.step != self._pause_at:
            return Decision.GO
        self._coming.discard(number)
        self._paused[number] = progress.train_loss
        self._settle()
        return Decision.PAUSE

    def _settle(self) -> None:
        if self._coming or not self._paused:
            return
        order = sorted(self._paused, key=lambda number: (self._paused[number], number))
        self._promoted, self._dropped = order[: self._top], sorted(order[self._top :])
        self._paused = {}

    def keep(self, number: int, progress: Progress) -> bool:
        self.calls.append(f"keep {number}")
        return self._keep

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        return self._folder.snapshot("search", number) if self._folder is not None else (None, [])

    def end(self, record: TrialRecord) -> TrialRecord:
        self.calls.append(f"end {record.number} {record.state} {record.reason}")
        self.records.append(record)
        self._coming.discard(record.number)
        self._settle()
        return record
