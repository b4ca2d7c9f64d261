"""Optuna's pruners (asynchronous halving, Hyperband, median) as a policy of ours.

Knows nothing of the database or of engines. They see one in-memory study an arm, of the first objective alone (Optuna
refuses to prune with several), with rungs as steps: trials of different batch sizes have no training step in common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import unknown_name
from harness.records.schema import Progress, TrialState
from harness.search.mirror import Mirror
from harness.search.pruners.base import num_passed
from harness.search.source import Decision
from harness.spec.configure import rung_fractions
from harness.spec.study import PrunerSpec, StudySpec

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

__all__ = ["OptunaPolicy"]


class OptunaPolicy:
    """A `Policy` that stops or lets go, and never lets a trial wait. Restored by replaying the reports in order."""

    def __init__(self, spec: StudySpec, num_arms: int) -> None:
        self._fractions = rung_fractions(spec)
        self._objective = spec.search.objectives[0]
        self._pruner_spec = spec.search.pruner
        self._pruners = [_pruner(spec.search.pruner) for _ in range(num_arms)]
        self._mirrors = [Mirror(f"arm-{index}", [self._objective]) for index in range(num_arms)]
        self._arm_of: dict[int, int] = {}
        self._passed: dict[int, int] = {}
        self._last: dict[int, float] = {}
        self._restored: list[int] = []

    def expect(self, arm: int, num_trials: int) -> None:
        """Nobody waits for anybody."""

    def add(self, number: int, arm: int) -> None:
        self._arm_of[number], self._passed[number] = arm, 0
        self._mirrors[arm].add(number, {}, {})

    def restore(self, number: int, arm: int, history: Sequence[Progress], state: TrialState) -> None:
        self.add(number, arm)
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
        mirror = self._mirrors[self._arm_of[number]]
        self._last[number] = progress.metrics.get(self._objective, math.nan)
        stop = False
        for rung in range(self._passed[number], num_passed(self._fractions, progress)):
            mirror.report(number, _resource(self._pruner_spec, rung), self._last[number])
            stop = mirror.should_prune(number, self._pruners[self._arm_of[number]]) or stop
            self._passed[number] = rung + 1
        return Decision.STOP if stop and not progress.done else Decision.GO

    def end(self, number: int, state: TrialState) -> None:
        mirror = self._mirrors[self._arm_of[number]]
        if state is TrialState.COMPLETE:
            mirror.complete(number, [self._last[number]])
        elif state is TrialState.PRUNED:
            mirror.prune(number)
        else:
            mirror.fail(number)

    def promoted(self) -> list[int]:
        restored, self._restored = self._restored, []
        return restored

    def dropped(self) -> list[int]:
        return []


def _resource(spec: PrunerSpec, rung: int) -> int:
    """A rung as a whole number of shares: 1, 4, 16 for a reduction factor of 4; median only needs equal steps."""
    return rung + 1 if spec.name == "median" else spec.reduction_factor**rung


def _pruner(spec: PrunerSpec) -> BasePruner:
    from optuna import pruners

    if spec.name == "median":
        return pruners.MedianPruner()
    if spec.name == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=spec.reduction_factor)
    if spec.name != "hyperband":
        raise unknown_name("search.pruner.name", spec.name, ("median", "asha", "hyperband"))
    most = int(1 / spec.min_fraction * (1 + 1e-9))
    return pruners.HyperbandPruner(min_resource=1, max_resource=most, reduction_factor=spec.reduction_factor)
