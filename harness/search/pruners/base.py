"""Which trials go on: what every pruner is to the search. All pruning looks at the first objective."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

from harness.records.schema import Progress, TrialState
from harness.search.source import Decision
from harness.spec.rungs import TrialRungs, rungs_passed
from harness.spec.tasks import metric_named
from harness.stats.chance import is_beyond_chance

__all__ = ["ChanceGuard", "Policy", "Unpruned", "newly_passed"]


def newly_passed(rungs: Sequence[float | None], before: int, progress: Progress) -> list[int]:
    """The rungs that an evaluation is the first to pass, `before` being the first that none has passed so far."""
    return [index for index in rungs_passed(rungs, progress.step, progress.total_steps) if index >= before]


class ChanceGuard:
    """Tells at which rungs no trial has learned anything yet: none is better than the trivial baseline.

    There the ranks of trials are noise, so none may be stopped. `chance` holds what the trivial baseline has by metric.
    """

    def __init__(self, objective: str, chance: Mapping[str, float]) -> None:
        self._objective, self._chance = objective, chance
        self._better: defaultdict[Hashable, set[int]] = defaultdict(set)

    def is_better(self, progress: Progress) -> bool:
        """True when the evaluation is better than the trivial baseline, beyond the noise of its rows."""
        value = progress.metrics.get(self._objective)
        return is_beyond_chance(metric_named(self._objective), value, self._chance, progress.num_rows)

    def note(self, rung: Hashable, progress: Progress) -> None:
        """A trial was evaluated at a rung (of its arm)."""
        if self.is_better(progress):
            self._better[rung].add(progress.number)

    def forget(self, number: int) -> None:
        """The trial has failed: its values do not count."""
        for numbers in self._better.values():
            numbers.discard(number)

    def at_chance(self, rung: Hashable) -> bool:
        """True while no trial that was evaluated at the rung is better than the trivial baseline."""
        return not self._better[rung]


class Policy(Protocol):
    """Decides about the trials of a study. Arms are numbered; each is a competition of its own.

    `rungs` are a trial's own; None (a record of an earlier version) stands for those of the study.
    """

    def expect(self, arm: int, num_trials: int) -> None:
        """Says how many trials the arm will have in all; until then more are waited for."""

    def add(self, number: int, arm: int, rungs: TrialRungs | None = None) -> None:
        """A trial that will run from the start."""

    def restore(
        self,
        number: int,
        arm: int,
        history: Sequence[Progress],
        state: TrialState,
        rungs: TrialRungs | None = None,
    ) -> None:
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

    def message(self, number: int) -> str:
        """Why a trial was stopped or dropped, in one line, as it was when that was decided; "" of any other."""


class Unpruned:
    """Every trial runs to its end."""

    def __init__(self) -> None:
        self._restored: list[int] = []

    def expect(self, arm: int, num_trials: int) -> None:
        """Nobody waits for anybody."""

    def add(self, number: int, arm: int, rungs: TrialRungs | None = None) -> None:
        """Nothing to compare it with."""

    def restore(
        self,
        number: int,
        arm: int,
        history: Sequence[Progress],
        state: TrialState,
        rungs: TrialRungs | None = None,
    ) -> None:
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

    def message(self, number: int) -> str:
        return ""
