"""The base class of pruners, which decide which trials go on.

Rungs look at all objectives, the other pruners at the first only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from harness.records.schema import Progress, TrialState
from harness.search.source import Decision
from harness.spec.rungs import TrialRungs, rungs_passed
from harness.stats.chance import is_beyond_chance
from harness.stats.metric import Metric

__all__ = ["ChanceGuard", "Policy", "Unpruned", "newly_passed"]


def newly_passed(rungs: Sequence[float | None], before: int, progress: Progress) -> list[int]:
    """Returns the rungs that this evaluation newly passes; `before` is the first rung that is not passed yet.

    A trial that patience has ended passes all its rungs: it competes there with its best value.
    """
    step = progress.total_steps if progress.out_of_patience else progress.step
    return [index for index in rungs_passed(rungs, step, progress.total_steps) if index >= before]


class ChanceGuard:
    """Finds the rungs at which no trial is better than the trivial baseline.

    The ranks of trials are noise there, so no trial may be stopped. `chance` is the baseline's score, by metric; a
    rung is reached by up to `num_trials` trials, of which the luckiest must not count as better.
    """

    def __init__(self, objective: Metric, chance: Mapping[str, float], num_trials: int = 1) -> None:
        self._objective, self._chance, self._num_trials = objective, chance, num_trials
        self._better: defaultdict[Hashable, set[int]] = defaultdict(set)

    def is_better(self, progress: Progress) -> bool:
        """Returns True when the evaluation is better than the trivial baseline by more than the noise of its rows."""
        value = progress.metrics.get(self._objective.name)
        return is_beyond_chance(self._objective, value, self._chance, progress.num_rows, self._num_trials)

    def note(self, rung: Hashable, progress: Progress) -> None:
        """Adds the evaluation of a trial at a rung of its arm."""
        if self.is_better(progress):
            self._better[rung].add(progress.number)

    def forget(self, number: int) -> None:
        """Removes the evaluations of a failed trial."""
        for numbers in self._better.values():
            numbers.discard(number)

    def at_chance(self, rung: Hashable) -> bool:
        """Returns True while no trial evaluated at the rung is better than the trivial baseline."""
        return not self._better[rung]


class Policy:
    """Decides which trials of a study go on. This base class lets every trial run to its end.

    Arms are numbered, and the trials of one arm compete with each other only. `rungs` are a trial's own. A pruner
    overrides `decide`, and what else it needs.
    """

    def __init__(self) -> None:
        self._restored: list[int] = []

    def expect(self, arm: int, num_trials: int) -> None:
        """Sets how many trials the arm will have in all."""

    def add(self, number: int, arm: int, rungs: TrialRungs) -> None:
        """Adds a new trial, which starts at step 0."""

    def restore(self, number: int, arm: int, history: Sequence[Progress], state: TrialState, rungs: TrialRungs) -> None:
        """Adds a trial of an earlier coordinator; one that has not ended counts as paused at its last rung.

        Call `settle` after the last one.
        """
        if not state.ended:
            self._restored.append(number)

    def settle(self) -> None:
        """Decides about the restored trials, once all of them are there."""

    def decide(self, number: int, progress: Progress) -> Decision:
        """Returns what happens to a trial after an evaluation."""
        return Decision.GO

    def end(self, number: int, state: TrialState) -> None:
        """Removes a trial that has ended; a failed one no longer counts at the rungs that it reached."""

    def promoted(self) -> list[int]:
        """Returns paused trials that go on now, each once: restored ones first, then promoted ones, best first."""
        restored, self._restored = self._restored, []
        return restored

    def dropped(self) -> list[int]:
        """Returns paused trials that will never go on, each once."""
        return []

    def message(self, number: int) -> str:
        """Returns in one line why a trial was stopped or dropped, as of that moment; "" for all other trials."""
        return ""


class Unpruned(Policy):
    """Lets every trial run to its end."""
