"""Optuna's pruners (asynchronous halving, Hyperband, median) as a policy of ours.

They see in-memory studies of the first objective alone (Optuna refuses to prune with several), with rungs as steps:
trials of different batch sizes have no training step in common. Each arm has one such study for each first rung: the
pruners take the first value of a trial for that of their first rung, so trials that pass a rung by compete among
themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import unknown_name
from harness.records.schema import Progress, TrialState
from harness.search.mirror import Mirror
from harness.search.pruners.base import ChanceGuard, newly_passed
from harness.search.source import Decision
from harness.spec.rungs import TrialRungs, rung_fractions, rung_resource
from harness.spec.study import PrunerSpec, StudySpec

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

__all__ = ["OptunaPolicy"]


@dataclass(slots=True, kw_only=True)
class _Trial:
    """`passed`: the first rung that it has not been judged at; `last`: its last value."""

    rungs: TrialRungs
    field: _Field
    passed: int = 0
    last: float = math.nan


class _Field:
    """Trials that compete: those of an arm that have the same first rung."""

    def __init__(self, spec: StudySpec, arm: int, first: int) -> None:
        self.arm = arm
        self.mirror = Mirror(f"arm-{arm}", [spec.search.objectives[0]])
        self.pruner = _pruner(spec.search.pruner, first)


class OptunaPolicy:
    """A `Policy` that stops or lets go, and never lets a trial wait. Restored by replaying the reports in order.

    A stop is not obeyed at a rung that no trial of the arm reached with a value better than the trivial baseline.
    """

    def __init__(self, spec: StudySpec, chance: Mapping[str, float] | None = None) -> None:
        self._spec = spec
        self._fractions = rung_fractions(spec)
        self._objective = spec.search.objectives[0]
        self._guard = ChanceGuard(self._objective, chance or {})
        self._fields: dict[tuple[int, int], _Field] = {}
        self._trials: dict[int, _Trial] = {}
        self._restored: list[int] = []

    def expect(self, arm: int, num_trials: int) -> None:
        """Nobody waits for anybody."""

    def add(self, number: int, arm: int, rungs: TrialRungs | None = None) -> None:
        rungs = self._fractions if rungs is None else rungs
        first = next((index for index, share in enumerate(rungs) if share is not None), len(rungs))
        key = (arm, first)
        if key not in self._fields:
            self._fields[key] = _Field(self._spec, arm, first)
        self._trials[number] = _Trial(rungs=rungs, field=self._fields[key])
        self._fields[key].mirror.add(number, {}, {})

    def restore(
        self,
        number: int,
        arm: int,
        history: Sequence[Progress],
        state: TrialState,
        rungs: TrialRungs | None = None,
    ) -> None:
        self.add(number, arm, rungs)
        for progress in history:
            self.decide(number, progress)
        if state.ended:
            self.end(number, state)
        else:
            self._restored.append(number)

    def settle(self) -> None:
        """Nothing to settle."""

    def decide(self, number: int, progress: Progress) -> Decision:
        """Reports every rung that the evaluation is the first to pass, and asks the pruner after each."""
        trial = self._trials[number]
        field = trial.field
        trial.last = progress.metrics.get(self._objective, math.nan)
        stop = False
        for rung in newly_passed(trial.rungs, trial.passed, progress):
            field.mirror.report(number, rung_resource(self._spec.search.pruner, rung), trial.last)
            self._guard.note((field.arm, rung), progress)
            asked = field.mirror.should_prune(number, field.pruner)
            stop = stop or (asked and not self._guard.at_chance((field.arm, rung)))
            trial.passed = rung + 1
        return Decision.STOP if stop and not progress.done else Decision.GO

    def end(self, number: int, state: TrialState) -> None:
        trial = self._trials[number]
        if state is TrialState.COMPLETE:
            trial.field.mirror.complete(number, [trial.last])
        elif state is TrialState.PRUNED:
            trial.field.mirror.prune(number)
        else:
            trial.field.mirror.fail(number)
            self._guard.forget(number)

    def promoted(self) -> list[int]:
        restored, self._restored = self._restored, []
        return restored

    def dropped(self) -> list[int]:
        return []


def _pruner(spec: PrunerSpec, first: int) -> BasePruner:
    """`first`: the first rung of the trials that it judges."""
    from optuna import pruners

    if spec.name == "median":
        return pruners.MedianPruner()
    least, factor = rung_resource(spec, first), spec.reduction_factor
    if spec.name == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor)
    if spec.name != "hyperband":
        raise unknown_name("search.pruner.name", spec.name, ("median", "asha", "hyperband"))
    most = max(least, int(1 / spec.min_fraction * (1 + 1e-9)))
    return pruners.HyperbandPruner(min_resource=least, max_resource=most, reduction_factor=factor)
