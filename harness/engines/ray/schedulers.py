"""Ray's own schedulers: asynchronous halving, Hyperband and population-based training.

All read `objective` (more is better) and `time`, which counts rungs passed, because trials of different batch sizes
have no training step in common.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, HyperBandScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.schedulers.hyperband import _Bracket

from harness.engines.ray.desk import Desk
from harness.engines.ray.entry import Entry
from harness.engines.ray.worker import Order
from harness.errors import InputError, unknown_name
from harness.records.schema import Progress
from harness.search.pruners.base import ChanceGuard
from harness.search.pruners.messages import against, behind_in_rank, message, of_place, rank_so_far
from harness.spec.configure import rung_fractions, search_space
from harness.spec.rungs import POPULATION, TrialRungs, rung_resource, rungs_passed
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of

__all__ = ["RayPruner", "make_scheduler"]

#: The params that may change during a training: neither its number of steps nor the model's shape depends on them.
MUTABLE = ("learning_rate", "weight_decay", "label_smoothing", "max_grad_norm")
#: Further keys of a result: whether it is better than the trivial baseline, and its rung.
BETTER, RUNG = "better", "rung"


class RayPruner:
    """A scheduler of Ray that may stop or pause trials that the source lets go on.

    It stops no trial at a rung at which no trial is better than the trivial baseline (`chance`, by metric).
    """

    def __init__(
        self,
        spec: StudySpec,
        scheduler: TrialScheduler,
        desk: Desk,
        order: Callable[[Entry], Order],
        chance: Mapping[str, float],
    ) -> None:
        self.scheduler = scheduler
        self._asynchronous = isinstance(scheduler, AsyncHyperBandScheduler)
        judge = facts_of(spec.task).judged_early(spec.search.objectives)
        self._guard = ChanceGuard(judge, chance, spec.search.trials)
        self.population = spec.search.pruner.name == POPULATION
        self._mutable = mutable(spec) if self.population else {}
        self._clock, self._desk, self._order = RungClock(spec), desk, order
        self._name = spec.search.pruner.name
        self._factor = spec.search.pruner.factor
        self._values: defaultdict[float, list[float]] = defaultdict(list)
        self._messages: dict[int, str] = {}
        self._asked: dict[int, float] = {}
        self._saved: dict[int, tuple[Progress, ...]] = {}

    @property
    def ahead(self) -> int:
        """The number of trials that must exist before the first is judged: Hyperband halves what a bracket has."""
        return self._clock.end if isinstance(self.scheduler, HyperBandScheduler) else 0

    def added(self, number: int, trial: Trial) -> None:
        """Gives the order for its actor to a trial of a population, which Tune creates without a searcher."""
        entry = self._desk.entry(number)
        if self.population and entry is not None:
            params = entry.config.params
            entry.extra = {"mutations": [{"fraction": 0.0, "params": params}]}
            trial.config.update(
                {name: params[name] for name in self._mutable} | {"order": self._order(entry).model_dump_json()}
            )

    def ask(self, number: int, controller: Any, trial: Trial, result: dict[str, Any], progress: Progress) -> str:
        """Returns the scheduler's action after an evaluation, and passes it to the desk."""
        entry = self._desk.entry(number)
        read = None if entry is None else self._clock.read(progress, entry.config.rungs)
        if read is None or not self._is_later(number, read["time"]):
            return TrialScheduler.CONTINUE
        self._guard.note(read["time"], progress)
        read[BETTER] = self._guard.is_better(progress)
        action = str(self.scheduler.on_trial_result(controller, trial, result | read))
        if self.population:
            self._note_mutation(number, trial, progress)
        elif self._asynchronous:
            before = tuple(self._values[read["time"]])
            self._values[read["time"]].append(read["objective"])
            if action == TrialScheduler.STOP and self._guard.at_chance(read["time"]):
                return TrialScheduler.CONTINUE
            if action == TrialScheduler.STOP:
                self._messages[number] = self._clock.cut_off(read, before, self._factor)
        if action == TrialScheduler.STOP:
            self._desk.pruned(number, self.message(number, trial))
        elif action == TrialScheduler.PAUSE or trial.status == Trial.PAUSED:
            self._desk.paused(number)
        return action

    def message(self, number: int, trial: Trial) -> str:
        """Returns why the scheduler has stopped a trial."""
        halved = self.scheduler.halved.get(trial.trial_id) if isinstance(self.scheduler, PatientHyperBand) else None
        if halved is not None:
            return self._clock.halved(halved)
        return self._messages.get(number, f"stopped by {self._name}")

    def _is_later(self, number: int, time: float) -> bool:
        """Returns True at the first evaluation that passes a rung.

        A trial of a population that takes over the weights of one that is behind passes a rung again; without this
        check that could repeat for ever.
        """
        entry = self._desk.entry(number)
        if entry is None or time <= self._asked.get(number, 0.0):
            return False
        self._asked[number], self._saved[number] = time, tuple(entry.history)
        return True

    def _note_mutation(self, number: int, trial: Trial, progress: Progress) -> None:
        """Notes that a trial has taken over another one's weights: Tune gave it the whole config of that one.

        The weights were saved at the other trial's last call of `ask`, so its history up to there belongs to them.
        """
        source, entry = Order.model_validate_json(trial.config["order"]), self._desk.entry(number)
        if entry is None or not entry.extra or source.config.number == number:
            return
        params = {name: trial.config[name] for name in self._mutable}
        config = source.config.model_copy(update={"number": number})
        resolved = Order(config=config, folder="", changed=params).resolved
        mutation = {"fraction": progress.fraction, "from": source.config.number, "params": resolved.params}
        entry.extra["mutations"].append(mutation)
        self._desk.adopt_training(number, resolved, self._saved[source.config.number])
        trial.set_config(trial.config | {"order": self._order(entry).model_dump_json(), "number": number})  # type: ignore[no-untyped-call]


class RungClock:
    """Turns evaluations into results for Ray's schedulers, whose time is the number of rungs passed."""

    def __init__(self, spec: StudySpec) -> None:
        self._num_rungs = len(rung_fractions(spec))
        self._metric = facts_of(spec.task).judged_early(spec.search.objectives)
        self._pruner = spec.search.pruner

    @property
    def end(self) -> int:
        """The time at the end of a full training."""
        return rung_resource(self._pruner, self._num_rungs)

    def read(self, progress: Progress, rungs: TrialRungs) -> dict[str, float] | None:
        """Returns time, objective and rung, or None without a finite value; `rungs` are the trial's."""
        value = progress.metrics.get(self._metric.name, math.nan)
        if not math.isfinite(value):
            return None
        passed = rungs_passed(rungs, progress.step, progress.total_steps)
        time = rung_resource(self._pruner, passed[-1]) if passed else 0
        return {"time": time, "objective": -self._metric.sort_key(value), RUNG: passed[-1] if passed else -1}

    def cut_off(self, read: Mapping[str, Any], before: Sequence[float], reduction_factor: int) -> str:
        """Returns the message of a trial that asynchronous halving stopped; `before` are earlier values at the rung.

        Ray stops trials below a percentile of them.
        """
        rank = 1 + sum(objective > read["objective"] for objective in before)
        cut = float(np.nanpercentile(before, (1 - 1 / reduction_factor) * 100))
        ranking = rank_so_far(rank, len(before) + 1, f"only the best 1 in {reduction_factor} of them trains on")
        values = self._against(read["objective"], cut, "the limit was")
        return message(int(read[RUNG]), self._num_rungs, ranking, values)

    def halved(self, halved: Halved) -> str:
        """Returns the message of a trial that Hyperband stopped in its bracket."""
        ranking = behind_in_rank(halved.rank, halved.num_compared, halved.num_kept, where=" in its bracket")
        whose = f"{of_place(halved.num_kept)} had"
        values = self._against(halved.result["objective"], halved.cut["objective"], whose)
        return message(int(halved.result[RUNG]), self._num_rungs, ranking, values)

    def _against(self, own: float, other: float, whose: str) -> str:
        sign = 1 if self._metric.maximize else -1
        return against(self._metric, sign * own, sign * other, whose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Halved:
    """A trial that was stopped in its bracket; `rank` 1 is the best, `cut` the result of the last that went on."""

    rank: int
    num_compared: int
    num_kept: int
    result: Mapping[str, Any]
    cut: Mapping[str, Any]


class PatientHyperBand(HyperBandScheduler):
    """Hyperband that halves no bracket in which no trial is better than the trivial baseline.

    `halved` holds the stopped trials, by Ray's id of the trial.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.halved: dict[str, Halved] = {}

    def _create_bracket(self, s: int) -> PatientBracket:
        return PatientBracket(
            time_attr=self._time_attr,
            max_trials=self._get_n0(s),  # type: ignore[no-untyped-call]
            init_t_attr=self._get_r0(s),  # type: ignore[no-untyped-call]
            max_t_attr=self._max_t_attr,
            eta=self._eta,
            s=s,
            stop_last_trials=self._stop_last_trials,
            halved=self.halved,
        )

    def _process_bracket(self, tune_controller: Any, bracket: _Bracket) -> str:
        try:
            return str(super()._process_bracket(tune_controller, bracket))
        finally:
            # Ray leaves it True: trials that wait for another one would then wait for ever when that one ends or fails.
            bracket.is_being_processed = False


class PatientBracket(_Bracket):
    """A bracket that keeps all its trials while none is better than the trivial baseline."""

    def __init__(self, *, halved: dict[str, Halved], **options: Any) -> None:
        super().__init__(**options)
        self._halved = halved

    def successive_halving(self, metric: str, metric_op: float) -> tuple[list[Trial], list[Trial]]:
        if any(result[BETTER] for result in self._live_trials.values()):
            good, bad = super().successive_halving(metric, metric_op)
            for place, trial in enumerate(reversed(bad)):  # the worst is first in both
                self._halved[trial.trial_id] = Halved(
                    rank=len(good) + 1 + place,
                    num_compared=len(good) + len(bad),
                    num_kept=len(good),
                    result=self._live_trials[trial],
                    cut=self._live_trials[good[0]],
                )
            return list(good), list(bad)
        size = self._n
        super().successive_halving(metric, metric_op)
        self._n = size
        return list(self._live_trials), []


def make_scheduler(spec: StudySpec) -> TrialScheduler | None:
    """Returns the scheduler of Ray that the study names; None when it names a pruner of ours.

    Raises:
        InputError: Ray has no such scheduler, or no param is searched that population-based training can change.
    """
    pruner, clock = spec.search.pruner, RungClock(spec)
    keys: dict[str, Any] = {"time_attr": "time", "metric": "objective", "mode": "max"}
    if pruner.name == "ray-asha":
        return AsyncHyperBandScheduler(
            **keys, grace_period=1, max_t=clock.end, reduction_factor=pruner.factor, brackets=1
        )
    if pruner.name == "ray-hyperband":
        return PatientHyperBand(**keys, max_t=clock.end, reduction_factor=pruner.factor)
    if pruner.name == POPULATION:
        return _population(spec, keys)
    if pruner.name.startswith("ray-"):
        raise unknown_name("search.pruner.name", pruner.name, ("ray-asha", "ray-hyperband", POPULATION))
    return None


def mutable(spec: StudySpec) -> dict[str, Range[Any] | Choices[Any]]:
    """Returns the searched params that population-based training changes during a trial."""
    return {param.name: param.domain for param in search_space(spec) if param.name in MUTABLE and not param.when}


def _population(spec: StudySpec, keys: dict[str, Any]) -> TrialScheduler:
    """Returns a scheduler that exploits the best quarter at each quarter (Jaderberg et al. 2017, Ray's defaults)."""
    domains = mutable(spec)
    if not domains:
        raise InputError(f"search.pruner: '{POPULATION}' needs one of {', '.join(MUTABLE)} to be searched")
    random.seed(spec.search.seed)

    def inside(config: dict[str, Any]) -> dict[str, Any]:
        """Clips perturbed values to the study's ranges."""
        for name, domain in domains.items():
            if isinstance(domain, Range):
                config[name] = min(max(config[name], domain.low), domain.high)
        return config

    return PopulationBasedTraining(
        **keys,
        perturbation_interval=1,
        hyperparam_mutations={name: _as_tune(domain) for name, domain in domains.items()},
        custom_explore_fn=inside,
        log_config=False,
    )


def _as_tune(domain: Range[Any] | Choices[Any]) -> Any:
    if isinstance(domain, Choices):
        return [choice for choice in domain.choices if choice is not None]
    if domain.log:
        return tune.loguniform(domain.low, domain.high)
    return tune.quniform(domain.low, domain.high, domain.step) if domain.step else tune.uniform(domain.low, domain.high)
