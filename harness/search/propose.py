"""Proposes params for new trials: a sampler over an in-memory mirror of each arm of the study.

An arm is a compared checkpoint, or the whole study where no checkpoints are compared.

The mirror differs from the study on disk in one point. With breadth-first rungs every trial is COMPLETE there with its
values at the first rung that judges it, the training length that all trials share: values after more training would
make promoted trials look better only because they trained longer, and a paused trial would be no observation at all.
A trial without rungs is complete at its end. Under other pruners trials end in the mirror as they do on disk.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.records.schema import Progress, TrialRecord, TrialState
from harness.records.store import StoredTrial
from harness.search.axes import Axes, Params, params_key
from harness.search.mirror import Mirror
from harness.search.samplers import derived_seed, make_sampler
from harness.spec.configure import arms, default_numbers, default_params, rung_fractions
from harness.spec.constraints import constraints_of
from harness.spec.first import first_params
from harness.spec.lengths import earliest_rung
from harness.spec.rungs import TrialRungs, rungs_passed
from harness.spec.schedule import EARLY
from harness.spec.study import StudySpec

__all__ = ["Proposal", "Proposer"]

#: System attributes of a stored trial: its arm, draws refused before it, what the sampler wrote on the study.
ARM, REFUSED, NOTES = "harness:arm", "harness:refused", "harness:notes"
MAX_ASKS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Params of a new trial, and its values, distributions and attributes for the study on disk."""

    params: Params
    values: Mapping[str, Any]
    distributions: Mapping[str, Any]
    system_attrs: Mapping[str, Any]


class Proposer:
    """Draws params for each arm; `stored` are the trials of earlier coordinators, in order of their numbers.

    `found_before` are params of earlier runs, complete: they come after those of `search.first`.
    """

    def __init__(
        self,
        spec: StudySpec,
        stored: Sequence[StoredTrial] = (),
        num_train_rows: int | None = None,
        found_before: Sequence[Params] = (),
    ) -> None:
        self._breadth_first = spec.search.pruner.name == "rungs" and bool(rung_fractions(spec))
        self._objectives, self._constraints = spec.search.objectives, constraints_of(spec)
        early = self._breadth_first and earliest_rung(spec, num_train_rows) < EARLY
        self._arms = [_Arm(spec, index, found_before, early=early) for index in range(len(arms(spec)))]
        self._arm_of: dict[int, _Arm] = {}
        for trial in stored:
            self._restore(trial)
        for arm in self._arms:
            arm.redo()

    @staticmethod
    def arm_of(trial: StoredTrial) -> int:
        """Returns the arm that a stored trial belongs to."""
        return int(trial.system_attrs.get(ARM, 0))

    def ask(self, number: int, arm: int) -> Proposal | None:
        """Returns params that are new to the arm, None when there are none.

        The default recipe comes first, then the params that are given, then those that the sampler draws.
        """
        proposal = self._arms[arm].ask(number)
        if proposal is not None:
            self._arm_of[number] = self._arms[arm]
        return proposal

    def observe(self, number: int, progress: Progress, rungs: TrialRungs) -> None:
        """Reports an evaluation to the sampler; `rungs` are the trial's."""
        mirror = self._arm_of[number].mirror
        passed = rungs_passed(rungs, progress.step, progress.total_steps)
        if mirror is None or not passed or any(name not in progress.metrics for name in self._objectives):
            return  # of a model that writes, an objective may be known at the end alone
        if self._breadth_first:
            mirror.limit(number, self._constraints.excess(progress.metrics))
            mirror.complete(number, self._values(progress.metrics))
        elif len(self._objectives) == 1:
            mirror.report(number, passed[-1] + 1, progress.metrics[self._objectives[0]])

    def end(self, record: TrialRecord) -> None:
        """Reports the end of a trial to the sampler; a failed trial has no values."""
        mirror = self._arm_of[record.number].mirror
        if mirror is None:
            return
        if record.state is not TrialState.FAIL:
            mirror.limit(record.number, self._constraints.excess(record.metrics))
        if record.state is TrialState.COMPLETE:
            mirror.complete(record.number, self._values(record.metrics))
        elif record.state is TrialState.PRUNED:
            mirror.prune(record.number)
        else:
            mirror.fail(record.number)

    def _values(self, metrics: Mapping[str, float]) -> list[float]:
        return [metrics[name] for name in self._objectives]

    def _restore(self, trial: StoredTrial) -> None:
        arm = self._arms[self.arm_of(trial)]
        self._arm_of[trial.number] = arm
        arm.restore(trial)
        for progress in trial.record.history:
            if all(math.isfinite(progress.metrics.get(name, math.nan)) for name in self._objectives):
                self.observe(trial.number, progress, trial.config.rungs)
        if trial.record.state.ended:
            self.end(trial.record)


class _Arm:
    """One arm: its space, the params it has had, and its mirror (None for a grid, which learns nothing)."""

    def __init__(self, spec: StudySpec, index: int, found_before: Sequence[Params], *, early: bool) -> None:
        """`early`: the first rung comes early in the training, and the sampler sees the values there."""
        search, name = spec.search, arms(spec)[index]
        self._axes = Axes(spec, name)
        self._default = self._axes.fixed | default_params(spec, name)
        self._default_numbers = default_numbers(spec)
        own = [params for params in found_before if self._axes.fixed.items() <= params.items()]
        self._given = iter([*first_params(spec, name), *own])
        self._index = index
        self._sampler = search.sampler
        self._seed = search.seed
        self._early = early
        self._num_trials = math.ceil(search.trials / len(arms(spec)))
        self._seen: set[str] = set()
        grid = search.sampler == "grid"
        self._grid: Iterator[Params] = self._axes.grid(derived_seed(search.seed, 0)) if grid else iter(())
        self.mirror = None if grid else Mirror(f"arm-{index}", search.objectives)

    def ask(self, number: int) -> Proposal | None:
        if number in self._default_numbers:
            return self._add(number, self._default)
        given = next((params for params in self._given if params_key(params) not in self._seen), None)
        if given is not None:
            return self._add(number, given)
        if self.mirror is None:
            drawn = next((params for params in self._grid if params_key(params) not in self._seen), None)
            return None if drawn is None else self._proposal(drawn, {})
        # Optuna warns that samplers are experimental: the user can do nothing about it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._draw(number, self.mirror)

    def _draw(self, number: int, mirror: Mirror) -> Proposal | None:
        for refused in range(MAX_ASKS):
            # A sampler that exploits good regions may never draw the few points that are left in a small space.
            name = self._sampler if refused < MAX_ASKS // 2 else "random"
            trial = mirror.ask(self._make_sampler(name, mirror))
            params = self._axes.draw(trial)
            if params_key(params) not in self._seen:
                own_attrs = {REFUSED: refused, NOTES: mirror.take_notes()}
                return self._proposal(params, mirror.accept(trial, number) | {k: v for k, v in own_attrs.items() if v})
            mirror.refuse(trial)
        return None

    def _make_sampler(self, name: str, mirror: Mirror) -> Any:
        return make_sampler(
            name,
            seed=derived_seed(self._seed, mirror.num_asked),
            study_seed=self._seed,
            num_trials=self._num_trials,
            num_ended=mirror.num_ended,
            early=self._early,
            conditional=self._axes.conditional,
        )

    def _add(self, number: int, params: Params) -> Proposal:
        """Returns params that the sampler did not draw, and shows them to it."""
        if self.mirror is not None:
            self.mirror.add(number, *self._axes.stored(params, compared=False))
        return self._proposal(params, {})

    def _proposal(self, params: Params, attrs: Mapping[str, Any]) -> Proposal:
        self._seen.add(params_key(params))
        values, distributions = self._axes.stored(params, compared=True)
        attrs = {ARM: self._index, **attrs}
        return Proposal(params=params, values=values, distributions=distributions, system_attrs=attrs)

    def restore(self, trial: StoredTrial) -> None:
        params, attrs = trial.record.params, trial.system_attrs
        self._seen.add(params_key(params))
        if self.mirror is not None:
            self.mirror.add(
                trial.number,
                *self._axes.stored(params, compared=False),
                system_attrs={key: value for key, value in attrs.items() if not key.startswith("harness:")},
                notes=attrs.get(NOTES),
                refused=attrs.get(REFUSED, 0),
            )

    def redo(self) -> None:
        """Computes the state of CMA-ES again, which is not stored; call it after `restore`."""
        if self.mirror is not None and self._sampler == "cmaes":
            self.mirror.redo_cmaes(self._make_sampler(self._sampler, self.mirror))
