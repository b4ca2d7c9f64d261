"""A trial on the desk: with which attempt it is, on which slot, and what follows from a result.

Knows nothing of Ray: an attempt is an object with a `status`.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """A trial of Tune."""

    status: str


class Files(Protocol):
    """Where the files of trials lie while they run elsewhere."""

    def append_log(self, trial: Active, text: str) -> None:
        """Adds what a node says the trial has printed."""

    def fetch_weights(self, trial: Active) -> None:
        """Brings the weights that a node has saved into the run folder."""

    def forget(self, trial: Active) -> None:
        """Removes what only an unfinished trial needs."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A trial that has not ended. `resume`: where an attempt's snapshot lies, "" for step 0."""

    trial: Active
    attempt: Any = None
    resume: str = ""
    paused: bool = False
    """True from a pause until the trial goes on."""
    failed_starts: int = 0
    since: float | None = None
    """When the present step began (`time.time`); None while it stands."""
    extra: dict[str, Any] | None = None

    @property
    def working(self) -> bool:
        return self.attempt is not None and self.attempt.status in WORKING


class SlotNumbers:
    """Numbers of slots, each of one node.

    On which node a trial runs is known with its first result only. It takes a seat then, for the time since it began:
    of those that nobody had in that time the one that was left last, so that no more are needed than trials run.
    """

    def __init__(self) -> None:
        self._nodes: list[str] = []
        self._left_at: list[float] = []
        self._taken: set[int] = set()

    def take(self, node: str, since: float) -> int:
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
        """Times are of the node's clock, in seconds."""
        if slot is not None:
            self._taken.remove(slot)
            self._left_at[slot] = at
