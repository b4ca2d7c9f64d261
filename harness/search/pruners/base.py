"""Who goes on: what every pruner is to the search.

Knows nothing of the database, of samplers or of engines. All pruning looks at the first objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.records.schema import Progress, TrialState
from harness.search.source import Decision

__all__ = ["Policy", "Unpruned", "num_passed"]


def num_passed(fractions: Sequence[float], progress: Progress) -> int:
    """How many of the rungs at `fractions` a trial has passed; the same rounding as where it is evaluated."""
    return sum(progress.step >= max(1, round(progress.total_steps * fraction)) for fraction in fractions)


class Policy(Protocol):
    """Decides about the trials of a study. Arms are numbered; each is a competition of its own."""

    def expect(self, arm: int, num_trials: int) -> None:
        """Says how many trials the arm will have in all; until then more are waited for."""

    def add(self, number: int, arm: int) -> None:
        """A trial that will run from the start."""

    def restore(self, number: int, arm: int, history: Sequence[Progress], state: TrialState) -> None:
        """A trial of an earlier coordinator; one that was running stands at its last rung. Then `settle`."""

    def settle(self) -> None:
        """All trials are restored."""

    def decide(self, number: int, progress: Progress) -> Decision:
        """What follows after an evaluation."""

    def end(self, number: int, state: TrialState) -> None:
        """A trial has ended."""

    def promoted(self) -> list[int]:
        """Trials that nobody runs and that go on now: restored ones, then promoted ones, best first; each told once."""

    def dropped(self) -> list[int]:
        """Waiting trials that will never go on; each told once."""


class Unpruned:
    """Every trial runs to its end."""

    def __init__(self) -> None:
        self._restored: list[int] = []

    def expect(self, arm: int, num_trials: int) -> None:
        """Nobody waits for anybody."""

    def add(self, number: int, arm: int) -> None:
        """Nothing to compare it with."""

    def restore(self, number: int, arm: int, history: Sequence[Progress], state: TrialState) -> None:
        if not state.ended:
            self._restored.append(number)

    def settle(self) -> None:
        """Nothing to settle."""

    def decide(self, number: int, progress: Progress) -> Decision:
        return Decision.GO

    def end(self, number: int, state: TrialState) -> None:
        """Nothing to take back."""

    def promoted(self) -> list[int]:
        restored, self._restored = self._restored, []
        return restored

    def dropped(self) -> list[int]:
        return []
