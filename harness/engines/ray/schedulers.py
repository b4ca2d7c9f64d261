"""Ray's own schedulers for those who know them: asynchronous halving, Hyperband, population-based training.

All look at `objective` (more is better) and at `time`, which is of rungs passed: trials of different batch sizes have
no training step in common.
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
from harness.search.pruners.messages import against, behind_in_rank, message, rank_so_far
from harness.spec.configure import rung_fractions, search_space
from harness.spec.rungs import POPULATION, TrialRungs, rung_resource, rungs_passed
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec
from harness.spec.tasks import metric_named

__all__ = ["RayPruner", "make_scheduler"]

#: What may change in the middle of a training: nothing that the number of steps or the shape of the model hangs on.
MUTABLE = ("learning_rate", "weight_decay", "label_smoothing", "max_grad_norm")
#: What a result says besides its objective: that it is better than the trivial baseline, and at which rung it is.
BETTER, RUNG = "better", "rung"


class RayPruner:
    """A scheduler of Ray's beside the desk: it may stop or pause what the source lets go on.

    At a rung that no trial reached with a value better than the trivial baseline (`chance`, by metric) it stops nobody.
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
        self._guard = ChanceGuard(spec.search.objectives[0], chance, spec.search.trials)
        self.population = spec.search.pruner.name == POPULATION
        self._mutable = mutable(spec) if self.population else {}
        self._clock, self._desk, self._order = RungClock(spec), desk, order
        self._name = spec.search.pruner.name
        self._factor = spec.search.pruner.reduction_factor
        self._values: defaultdict[float, list[float]] = defaultdict(list)
        self._messages: dict[int, str] = {}
        self._asked: dict[int, float] = {}
        self._saved: dict[int, tuple[Progress, ...]] = {}

    @property
    def ahead(self) -> int:
        """How many trials must be there before the first is judged: Hyperband halves what it has seen of a bracket."""
        return self._clock.end if isinstance(self.scheduler, HyperBandScheduler) else 0

    def added(self, number: int, trial: Trial) -> None:
        """Gives a trial of a population, which comes without a searcher, what its actor must know."""
        entry = self._desk.entry(number)
        if self.population and entry is not None:
            params = entry.trial.config.params
            entry.extra = {"mutations": [{"fraction": 0.0, "params": params}]}
            trial.config.update(
                {name: params[name] for name in self._mutable} | {"order": self._order(entry).model_dump_json()}
            )

    def ask(self, number: int, controller: Any, trial: Trial, result: dict[str, Any], progress: Progress) -> str:
        """What the scheduler says of an evaluation; the desk is told what it has done."""
        entry = self._desk.entry(number)
        read = None if entry is None else self._clock.read(progress, entry.trial.config.rungs)
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
        """Why the scheduler has stopped a trial."""
        halved = self.scheduler.halved.get(trial.trial_id) if isinstance(self.scheduler, PatientHyperBand) else None
        if halved is not None:
            return self._clock.halved(halved)
        return self._messages.get(number, f"stopped by {self._name}")

    def _is_later(self, number: int, time: float) -> bool:
        """True at the first evaluation that passes a rung.

        Of a population this ends what would be endless: a trial that takes up the training of one that is behind comes
        here again.
        """
        entry = self._desk.entry(number)
        if entry is None or time <= self._asked.get(number, 0.0):
            return False
        self._asked[number], self._saved[number] = time, tuple(entry.trial.history)
        return True

    def _note_mutation(self, number: int, trial: Trial, progress: Progress) -> None:
        """A trial that took up another's training has that one's config now: all but the number is right.

        What it took up was saved when the other one was asked about last.
        """
        taken, entry = Order.model_validate_json(trial.config["order"]), self._desk.entry(number)
        if entry is None or entry.extra is None or taken.config.number == number:
            return
        params = {name: trial.config[name] for name in self._mutable}
        config = taken.config.model_copy(update={"number": number})
        resolved = Order(config=config, folder="", changed=params).resolved
        mutation = {"fraction": progress.fraction, "from": taken.config.number, "params": resolved.params}
        entry.extra["mutations"].append(mutation)
        self._desk.adopt_training(number, resolved, self._saved[taken.config.number])
        trial.set_config(trial.config | {"order": self._order(entry).model_dump_json(), "number": number})  # type: ignore[no-untyped-call]


class RungClock:
    """What Ray's schedulers are told of an evaluation."""

    def __init__(self, spec: StudySpec) -> None:
        self._rungs = rung_fractions(spec)
        self._metric = metric_named(spec.search.objectives[0])
        self._pruner = spec.search.pruner

    @property
    def end(self) -> int:
        """The time of a full training."""
        return rung_resource(self._pruner, len(self._rungs))

    def read(self, progress: Progress, rungs: TrialRungs | None) -> dict[str, float] | None:
        """None where there is nothing to judge by; `rungs` are the trial's own, None stands for those of the study."""
        value = progress.metrics.get(self._metric.name, math.nan)
        if not math.isfinite(value):
            return None
        passed = rungs_passed(self._rungs if rungs is None else rungs, progress.step, progress.total_steps)
        time = rung_resource(self._pruner, passed[-1]) if passed else 0
        return {"time": time, "objective": -self._metric.sort_key(value), RUNG: passed[-1] if passed else -1}

    def cut_off(self, read: Mapping[str, Any], before: Sequence[float], reduction_factor: int) -> str:
        """The message of a trial that asynchronous halving stopped, by the objectives of those that came `before`.

        Ray cuts at a percentile of them.
        """
        rank = 1 + sum(objective > read["objective"] for objective in before)
        cut = float(np.nanpercentile(before, (1 - 1 / reduction_factor) * 100))
        where = f"where the best 1 in {reduction_factor} of the others begin"
        standing = rank_so_far(rank, len(before) + 1)
        return message(int(read[RUNG]), len(self._rungs), standing, f"{self._against(read['objective'], cut)}, {where}")

    def halved(self, halved: Halved) -> str:
        """The message of a trial that its bracket of Hyperband left behind."""
        standing = behind_in_rank(halved.rank, halved.num_compared, halved.num_kept, where=" in its bracket")
        values = self._against(halved.result["objective"], halved.cut["objective"])
        return message(int(halved.result[RUNG]), len(self._rungs), standing, values)

    def _against(self, own: float, other: float) -> str:
        sign = 1 if self._metric.maximize else -1
        return against(self._metric, sign * own, sign * other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Halved:
    """A trial that its bracket left behind, `rank` 1 being the best; `cut` is the result of the last that went on."""

    rank: int
    num_compared: int
    num_kept: int
    result: Mapping[str, Any]
    cut: Mapping[str, Any]


class PatientHyperBand(HyperBandScheduler):
    """Hyperband that halves no bracket in which nobody is better than the trivial baseline: all of it goes on.

    `halved` holds those that were left behind, by Ray's name of the trial.
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
            # Ray leaves it True: those that wait for a trial would then wait for ever when that one ends or fails.
            bracket.is_being_processed = False


class PatientBracket(_Bracket):
    """A bracket that keeps all its trials, for as long as none is better than the trivial baseline."""

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
    """The scheduler of Ray's that the study asks for by name; None when it asks for a pruner of ours.

    Raises:
        InputError: Ray has no such scheduler, or population-based training has nothing that it could change.
    """
    pruner, clock = spec.search.pruner, RungClock(spec)
    look: dict[str, Any] = {"time_attr": "time", "metric": "objective", "mode": "max"}
    if pruner.name == "ray-asha":
        return AsyncHyperBandScheduler(
            **look, grace_period=1, max_t=clock.end, reduction_factor=pruner.reduction_factor, brackets=1
        )
    if pruner.name == "ray-hyperband":
        return PatientHyperBand(**look, max_t=clock.end, reduction_factor=pruner.reduction_factor)
    if pruner.name == POPULATION:
        return _population(spec, look)
    if pruner.name.startswith("ray-"):
        raise unknown_name("search.pruner.name", pruner.name, ("ray-asha", "ray-hyperband", POPULATION))
    return None


def mutable(spec: StudySpec) -> dict[str, Range[Any] | Choices[Any]]:
    """The searched keys that population-based training changes in the middle of a trial."""
    return {param.name: param.domain for param in search_space(spec) if param.name in MUTABLE and not param.when}


def _population(spec: StudySpec, look: dict[str, Any]) -> TrialScheduler:
    """Exploits the best quarter at each quarter of the training (Jaderberg et al. 2017, with Ray's defaults)."""
    domains = mutable(spec)
    if not domains:
        raise InputError(f"search.pruner: '{POPULATION}' needs one of {', '.join(MUTABLE)} to be searched")
    random.seed(spec.search.seed)

    def inside(config: dict[str, Any]) -> dict[str, Any]:
        """Perturbed values stay in the study's ranges."""
        for name, domain in domains.items():
            if isinstance(domain, Range):
                config[name] = min(max(config[name], domain.low), domain.high)
        return config

    return PopulationBasedTraining(
        **look,
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
