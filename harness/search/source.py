"""Where trials come from: what an engine asks, and what becomes of a trial after an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig

__all__ = ["Decision", "TrialSource"]


class Decision(StrEnum):
    """What becomes of a trial after an evaluation."""

    GO = "go"
    PAUSE = "pause"
    STOP = "stop"


class TrialSource(Protocol):
    """What an engine asks. Called from one thread only; the only writer of the study.

    An engine with a free slot calls `next`; after each evaluation `decide`; then takes `dropped`; at each end `end`.
    """

    def next(self) -> TrialConfig | None:
        """A new trial, or a paused one to go on with (same number); None: nothing to do for now.

        None while no trial is active and none is paused means: finished.
        """

    def dropped(self) -> list[int]:
        """Numbers of paused trials that will never go on, each told once: the engine ends them as PRUNED."""

    def decide(self, number: int, progress: Progress) -> Decision:
        """Records the evaluation and says what follows. Asked at the last evaluation (`progress.done`) too.

        Why a trial is stopped, or dropped, the source keeps until its end.
        """

    def took_up(self, number: int, history: Sequence[Progress]) -> None:
        """The trial goes on with another one's training, which came to `history`: its own no longer counts."""

    def keep(self, number: int, progress: Progress) -> bool:
        """True when the finished trial's weights may still be needed: the engine saves them before `end`."""

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        """For a trial left by an earlier coordinator: its snapshot and history up to it; (None, []) if new."""

    def end(self, record: TrialRecord) -> TrialRecord:
        """Writes the end of a trial: COMPLETE, PRUNED or FAIL. Returns the record as it counts, with its reason."""
