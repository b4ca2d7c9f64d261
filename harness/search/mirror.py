"""An Optuna study in memory, which samplers and pruners read.

States are set through the storage, never through `study.tell`, which
runs hooks made for `study.optimize` (the grid sampler's raises RuntimeError at the last trial).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.records.store import directions

__all__ = ["Mirror"]

#: CMA-ES stores its state as a pickle. `Mirror.redo_cmaes` computes it again, so that no database holds a pickle.
PICKLED = "cma:optimizer"


class Mirror:
    """An in-memory study whose trials have our numbers. Two mirrors with the same calls give the same draws."""

    def __init__(self, name: str, objectives: Sequence[str]) -> None:
        self._storage = InMemoryStorage()
        self._study_id = self._storage.create_new_study(directions(objectives), name)
        self.study = optuna.load_study(
            study_name=name, storage=self._storage, sampler=RandomSampler(), pruner=NopPruner()
        )
        self._ids: dict[int, int] = {}
        self._noted: dict[str, Any] = {}
        self.num_ended = 0

    @property
    def num_asked(self) -> int:
        """The number of draws so far, refused draws included."""
        return len(self.study.get_trials(deepcopy=False))

    def ask(self, sampler: BaseSampler) -> Trial:
        """Returns a new running trial to draw params from; call `accept` or `refuse` with it afterwards."""
        self.study.sampler = sampler
        return self.study.ask()

    def accept(self, trial: Trial, number: int) -> dict[str, Any]:
        """Gives the trial our number and returns the attributes that the sampler set on it."""
        self._ids[number] = self._id(trial.number)
        return _without_pickles(self.frozen(number).system_attrs)

    def refuse(self, trial: Trial) -> None:
        """Marks a drawn trial as failed, so that no sampler learns from it."""
        self._storage.set_trial_state_values(self._id(trial.number), TrialState.FAIL)

    def move(self, number: int, values: Mapping[str, Any], distributions: Mapping[str, Any]) -> None:
        """Gives a running trial other params than it drew."""
        frozen = self.frozen(number)  # nothing else uses this storage, and it caches no params
        frozen.params, frozen.distributions = dict(values), dict(distributions)

    def take_notes(self) -> dict[str, Any]:
        """Returns study attributes that samplers set since the last call (Sobol positions, parents of a generation)."""
        now = self._storage.get_study_system_attrs(self._study_id)
        new = {key: value for key, value in now.items() if self._noted.get(key) != value}
        self._noted = dict(now)
        return new

    def add(
        self,
        number: int,
        values: Mapping[str, Any],
        distributions: Mapping[str, Any],
        *,
        system_attrs: Mapping[str, Any] | None = None,
        notes: Mapping[str, Any] | None = None,
        refused: int = 0,
    ) -> None:
        """Adds a running trial with given params, after as many `refused` trials as were drawn before it."""
        for _ in range(refused):
            self._storage.create_new_trial(self._study_id, create_trial(state=TrialState.FAIL))
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(values),
            distributions=dict(distributions),
            system_attrs=_without_pickles(system_attrs or {}),
        )
        self._ids[number] = self._storage.create_new_trial(self._study_id, template)
        for key, value in (notes or {}).items():
            self._storage.set_study_system_attr(self._study_id, key, value)
        self._noted |= notes or {}

    def report(self, number: int, step: int, value: float) -> None:
        """Adds an evaluation to a running trial."""
        if not self.frozen(number).state.is_finished():
            self._storage.set_trial_intermediate_value(self._ids[number], step, value)

    def frozen(self, number: int) -> FrozenTrial:
        """Returns the trial as Optuna stores it now."""
        return self._storage.get_trial(self._ids[number])

    def should_prune(self, number: int, pruner: BasePruner) -> bool:
        """Returns True when an Optuna pruner would stop the trial now."""
        return pruner.prune(self.study, self.frozen(number))

    def limit(self, number: int, excess: Mapping[str, float]) -> None:
        """Tells samplers by how much a running trial is beyond each constraint; values above 0 violate it."""
        if not self.frozen(number).state.is_finished():
            trial = Trial(self.study, self._ids[number])
            for text, value in excess.items():
                trial.set_constraint(text, value)

    def complete(self, number: int, values: Sequence[float]) -> None:
        """Ends a trial as COMPLETE with its values; does nothing to an ended trial."""
        self._end(number, TrialState.COMPLETE, values)

    def prune(self, number: int) -> None:
        """Ends a trial that has no values yet as PRUNED."""
        self._end(number, TrialState.PRUNED, None)

    def fail(self, number: int) -> None:
        """Ends a trial as FAIL; removes its values where it had ended with some."""
        frozen = self.frozen(number)
        if frozen.state.is_finished():
            # The storage refuses to change an ended trial; nothing else uses this storage, and it caches no values.
            frozen.state, frozen.values = TrialState.FAIL, None
            self.num_ended -= 1
        else:
            self._storage.set_trial_state_values(self._ids[number], TrialState.FAIL)

    def redo_cmaes(self, sampler: BaseSampler) -> None:
        """Computes the state of CMA-ES again: a copy of the study asks until all recorded generations are learnt from.

        Where a trial ended later than others of its generation, the new state can differ from the lost one in
        which trials of the generation it counts.
        """
        scratch = copy.deepcopy(self)
        while (holder := scratch._last_complete()) is not None:
            trial = scratch.ask(sampler)
            _ = trial.relative_params
            attributes = scratch._storage.get_trial(scratch._id(trial.number)).system_attrs
            state = {key: value for key, value in attributes.items() if key.startswith(PICKLED)}
            scratch.refuse(trial)
            if not state:
                break
            for mirror_holder in (holder, self._last_complete()):
                if mirror_holder is not None:
                    _replace_state(mirror_holder.system_attrs, state)

    def _end(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        if not self.frozen(number).state.is_finished():
            self._storage.set_trial_state_values(self._ids[number], state, values)
            self.num_ended += 1

    def _id(self, index: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, index)

    def _last_complete(self) -> FrozenTrial | None:
        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return complete[-1] if complete else None


def _without_pickles(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attrs.items() if not key.startswith(PICKLED)}


def _replace_state(attrs: dict[str, Any], state: Mapping[str, Any]) -> None:
    for key in [key for key in attrs if key.startswith(PICKLED)]:
        del attrs[key]
    attrs.update(state)
