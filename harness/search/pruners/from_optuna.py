"""Optuna's pruners (asynchronous halving, Hyperband, median) as a `Policy`.

They read in-memory studies of the first objective only (Optuna refuses to prune with several objectives), in which a
step is a rung, because trials of different batch sizes have no training step in common. Each arm has one such study for
each first rung: the pruners take a trial's first value for that of their first rung, so trials that skip a rung compete
with each other only.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from harness.errors import unknown_name
from harness.records.schema import Progress, TrialState
from harness.search.mirror import Mirror
from harness.search.pruners.base import ChanceGuard, Policy, newly_passed
from harness.search.pruners.messages import (
    against,
    beyond,
    message,
    not_a_number,
    of_place,
    only_the_best,
    rank_so_far,
)
from harness.search.source import Decision
from harness.spec.constraints import constraints_of
from harness.spec.rungs import TrialRungs, num_promoted, rung_fractions, rung_resource
from harness.spec.study import PrunerSpec, StudySpec
from harness.spec.tasks import facts_of
from harness.stats.metric import Metric

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial

__all__ = ["OptunaPolicy"]

#: Finite, because numpy's quantiles of infinite values are not numbers; half of the largest, so that it can be doubled.
WORST = sys.float_info.max / 2


@dataclass(slots=True, kw_only=True)
class _Trial:
    """A trial; `passed` is the first rung at which it was not judged yet, `last` its last value."""

    rungs: TrialRungs
    field: _Field
    passed: int = 0
    last: float = math.nan


class _Field:
    """The trials that compete with each other: those of an arm with the same first rung."""

    def __init__(self, spec: StudySpec, arm: int, first: int) -> None:
        self.arm = arm
        self.mirror = Mirror(f"arm-{arm}", [facts_of(spec.task).judged_early(spec.search.objectives).name])
        self.pruner = _pruner(spec.search.pruner, first)

    def at_step(self, step: int) -> list[tuple[FrozenTrial, float]]:
        """Returns the trials that have a value at a step, each with its value."""
        trials = self.mirror.study.get_trials(deepcopy=False)
        pairs = ((trial, trial.intermediate_values.get(step, math.nan)) for trial in trials)
        return [(trial, value) for trial, value in pairs if not math.isnan(value)]


class OptunaPolicy(Policy):
    """A `Policy` that stops a trial or lets it go on, and never pauses one. It is restored by replaying all reports.

    No trial is stopped at a rung at which no trial of the arm is better than the trivial baseline.
    """

    def __init__(self, spec: StudySpec, chance: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self._spec = spec
        self._num_rungs = len(rung_fractions(spec))
        self._objective = facts_of(spec.task).judged_early(spec.search.objectives)
        self._guard = ChanceGuard(self._objective, chance or {}, spec.search.trials)
        self._fields: dict[tuple[int, int], _Field] = {}
        self._trials: dict[int, _Trial] = {}
        self._messages: dict[int, str] = {}
        self._constraints = constraints_of(spec)

    def add(self, number: int, arm: int, rungs: TrialRungs) -> None:
        first = next((index for index, share in enumerate(rungs) if share is not None), len(rungs))
        key = (arm, first)
        if key not in self._fields:
            self._fields[key] = _Field(self._spec, arm, first)
        self._trials[number] = _Trial(rungs=rungs, field=self._fields[key])
        self._fields[key].mirror.add(number, {}, {})

    def restore(self, number: int, arm: int, history: Sequence[Progress], state: TrialState, rungs: TrialRungs) -> None:
        self.add(number, arm, rungs)
        for progress in history:
            self.decide(number, progress)
        if state.ended:
            self.end(number, state)
        super().restore(number, arm, history, state, rungs)

    def decide(self, number: int, progress: Progress) -> Decision:
        """Reports every rung that the evaluation newly passes, and asks the pruner after each."""
        trial = self._trials[number]
        field = trial.field
        trial.last = self._value(progress)
        stop = False
        for rung in newly_passed(trial.rungs, trial.passed, progress):
            field.mirror.report(number, rung_resource(self._spec.search.pruner, rung), trial.last)
            self._guard.note((field.arm, rung), progress)
            prune = field.mirror.should_prune(number, field.pruner)
            if prune and not stop and not self._guard.at_chance((field.arm, rung)):
                self._messages[number], stop = self._why(number, rung, progress), True
            trial.passed = rung + 1
            if prune and progress.out_of_patience:
                break  # it would have been stopped here, so that it does not count at later rungs
        return Decision.STOP if stop and not progress.done else Decision.GO

    def _value(self, progress: Progress) -> float:
        """Returns the objective; for a trial that violates a constraint the worst number, so that it ranks behind."""
        value = progress.metrics.get(self._objective.name, math.nan)
        if math.isnan(value) or not self._constraints.violated(progress.metrics):
            return value
        return -WORST if self._objective.maximize else WORST

    def _why(self, number: int, rung: int, progress: Progress) -> str:
        """Returns the message of a trial that was stopped at `rung`, from the values that its pruner has just read."""
        pruner, field = self._spec.search.pruner, self._trials[number].field
        metric, step = self._objective, rung_resource(pruner, rung)
        describe = _median if pruner.name == "median" else _halving
        ranking, *values = describe(field, number, step, pruner.factor, metric)
        if violated := self._constraints.violated(progress.metrics):
            values = [beyond(violated, progress.metrics)]
        return message(rung, self._num_rungs, ranking, *values)

    def message(self, number: int) -> str:
        return self._messages.get(number, "")

    def end(self, number: int, state: TrialState) -> None:
        self._messages.pop(number, None)
        trial = self._trials[number]
        if state is TrialState.COMPLETE:
            trial.field.mirror.complete(number, [trial.last])
        elif state is TrialState.PRUNED:
            trial.field.mirror.prune(number)
        else:
            trial.field.mirror.fail(number)
            self._guard.forget(number)


def _median(field: _Field, number: int, step: int, factor: int, metric: Metric) -> tuple[str, ...]:
    """Returns the message's parts for median pruning: the trial's best value and the median of completed trials."""
    from optuna.trial import TrialState as OptunaState

    own = min(field.mirror.frozen(number).intermediate_values.values(), key=metric.sort_key)
    if math.isnan(own):
        return (not_a_number(metric),)
    values = [value for trial, value in field.at_step(step) if trial.state is OptunaState.COMPLETE]
    trials = f"{len(values):,} completed {'trial' if len(values) == 1 else 'trials'}"
    ranking = f"its best value so far was worse than the median of {trials} there"
    return ranking, against(metric, own, median(values), "the median was")


def _halving(field: _Field, number: int, step: int, factor: int, metric: Metric) -> tuple[str, ...]:
    """Returns the message's parts for halving: the trial's rank among those that its pruner compares it with.

    These are all trials with a value at `step`, for Hyperband those of its bracket."""
    from optuna.pruners import HyperbandPruner

    own, rivals, where = field.mirror.frozen(number), field.at_step(step), ""
    if isinstance(field.pruner, HyperbandPruner):
        # Optuna has no public way to the bracket of a trial: it derives it from names and stores it nowhere.
        bracket_of = partial(field.pruner._get_bracket_id, field.mirror.study)
        rivals = [(trial, value) for trial, value in rivals if bracket_of(trial) == bracket_of(own)]
        where = " in its bracket"
    values = sorted((value for _, value in rivals), key=metric.sort_key)
    value = own.intermediate_values[step]
    if math.isnan(value):
        return (not_a_number(metric),)
    quota = num_promoted(len(values), 1 / factor)
    rank = 1 + sum(metric.better(other, value) for other in values)
    ranking = rank_so_far(rank, len(values), only_the_best(quota), where)
    return ranking, against(metric, value, values[quota - 1], f"{of_place(quota)} had")


def _pruner(spec: PrunerSpec, first: int) -> BasePruner:
    """Returns Optuna's pruner for trials whose first rung is `first`."""
    from optuna import pruners

    if spec.name == "median":
        return pruners.MedianPruner()
    min_resource, factor = rung_resource(spec, first), spec.factor
    if spec.name == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=min_resource, reduction_factor=factor)
    if spec.name != "hyperband":
        raise unknown_name("search.pruner.name", spec.name, ("median", "asha", "hyperband"))
    max_resource = max(min_resource, int(1 / spec.min_fraction * (1 + 1e-9)))
    return pruners.HyperbandPruner(min_resource=min_resource, max_resource=max_resource, reduction_factor=factor)
