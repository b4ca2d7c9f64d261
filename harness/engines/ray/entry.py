"""A trial of the desk with its attempt and slot, and the verdicts on its results."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from harness.engines.active import Active

__all__ = ["Attempt", "Entry", "Files", "SlotNumbers", "Verdict"]

WORKING = ("PENDING", "RUNNING")


class Verdict(StrEnum):
    """What Tune does with an attempt after a result."""

    GO = "go"
    AGAIN = "go on, it was a repetition"
    SAVE = "save and go"
    PAUSE = "pause"
    STOP = "stop"


class Attempt(Protocol):
    """What Tune calls a trial."""

    status: str


class Files(Protocol):
    """Access to the files of trials that run on other nodes."""

    def append_log(self, trial: Active, text: str) -> None:
        """Appends what the trial has printed on its node."""

    def fetch_weights(self, trial: Active) -> None:
        """Copies the weights that a node has saved into the run folder."""

    def forget(self, trial: Active) -> None:
        """Removes the files that only an unfinished trial needs."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry(Active):
    """A trial that has not ended, with its attempt."""

    attempt: Any = None
    resume: str = field(init=False)
    """The place of its snapshot; "" for a start at step 0."""
    paused: bool = False
    """True from a pause until the trial goes on."""
    failed_starts: int = 0
    since: float | None = None
    """When the present step began (`time.time`); None while it is paused."""

    def __post_init__(self) -> None:
        self.resume = str(self.snapshot or "")

    @property
    def working(self) -> bool:
        """True while Tune runs an attempt of the trial, or is about to."""
        return self.attempt is not None and self.attempt.status in WORKING


class SlotNumbers:
    """Numbers the slots of all nodes.

    The node of a trial is known only when its first result comes. The trial takes a slot of that node then, from the
    time when it began: of the slots free since then the one that was freed last, so that there are no more slots than
    trials that run at once.
    """

    def __init__(self) -> None:
        self._nodes: list[str] = []
        self._left_at: list[float] = []
        self._taken: set[int] = set()

    def take(self, node: str, since: float) -> int:
        """Returns a slot of the node that was free since `since` (seconds of the node's clock)."""
        free = [slot for slot, owner in enumerate(self._nodes) if owner == node and self._is_free(slot, since)]
        if not free:
            self._nodes.append(node)
            self._left_at.append(since)
        slot = max(free, key=lambda slot: (self._left_at[slot], -slot), default=len(self._nodes) - 1)
        self._taken.add(slot)
        return slot

    def _is_free(self, slot: int, since: float) -> bool:
        return slot not in self._taken and self._left_at[slot] <= since

    def leave(self, slot: int | None, at: float) -> None:
        """Frees a slot from the time `at` (seconds of the node's clock)."""
        if slot is not None:
            self._taken.remove(slot)
            self._left_at[slot] = at
