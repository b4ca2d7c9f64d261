"""The protocol of a source of trials, which engines ask for trials and for decisions."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig

__all__ = ["Decision", "TrialSource"]


class Decision(StrEnum):
    """What happens to a trial after an evaluation: it runs on, is paused, or is stopped."""

    GO = "go"
    PAUSE = "pause"
    STOP = "stop"


class TrialSource(Protocol):
    """Gives trials to an engine and decides about them. Called from one thread; the only writer of the study.

    An engine calls `next` when a slot is free, `decide` after each evaluation and `dropped` after that, and `end` when
    a trial has ended.
    """

    def next(self) -> TrialConfig | None:
        """Returns a new trial, or a paused one that goes on (same number); None when there is none for now.

        None while no trial is running or paused means that the study is finished.
        """

    def dropped(self) -> list[int]:
        """Returns the numbers of paused trials that will never go on, each once; the engine ends them as PRUNED."""

    def decide(self, number: int, progress: Progress) -> Decision:
        """Records an evaluation (the last, `progress.done`, too) and returns what happens to the trial.

        The source keeps the reason why a trial is stopped or dropped, and adds it to the record in `end`.
        """

    def replace_history(self, number: int, history: Sequence[Progress]) -> None:
        """Replaces the history of a trial that goes on from the weights of another trial, which has `history`."""

    def keep(self, number: int, progress: Progress) -> bool:
        """Returns True when the weights of a finished trial are to be kept; the engine saves them before `end`."""

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        """Returns the snapshot that an earlier coordinator left, and the history up to it; (None, []) without one."""

    def end(self, record: TrialRecord) -> TrialRecord:
        """Stores the record of an ended trial (COMPLETE, PRUNED or FAIL) and returns it as stored, with its reason."""
