"""Ray's own schedulers for those who know them: asynchronous halving, Hyperband, population-based training.

Knows nothing of the study on disk. All look at `objective` (more is better) and at `time`, which is of rungs passed:
trials of different batch sizes have no training step in common.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, HyperBandScheduler, PopulationBasedTraining, TrialScheduler

from harness.engines.ray.desk import Desk
from harness.engines.ray.entry import Entry
from harness.engines.ray.worker import Order
from harness.errors import InputError, unknown_name
from harness.records.schema import Progress
from harness.search.pruners.base import num_passed
from harness.spec.configure import rung_fractions, search_space
from harness.spec.metrics import METRICS
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec

__all__ = ["Other", "make_scheduler"]

POPULATION = "ray-pbt"
#: What may change in the middle of a training: nothing that the number of steps or the shape of the model hangs on.
MUTABLE = ("learning_rate", "weight_decay", "label_smoothing", "max_grad_norm")


class Other:
    """A scheduler of Ray's beside the desk: it may stop or pause what the source lets go on."""

    def __init__(self, spec: StudySpec, scheduler: TrialScheduler, desk: Desk, order: Callable[[Entry], Order]) -> None:
        self.scheduler = scheduler
        self.population = spec.search.pruner.name == POPULATION
        self._mutable = mutable(spec) if self.population else {}
        self._clock, self._desk, self._order = Clock(spec), desk, order
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
        read = self._clock.read(progress)
        if read is None or (self.population and not self._is_later(number, read["time"])):
            return TrialScheduler.CONTINUE
        action = str(self.scheduler.on_trial_result(controller, trial, result | read))
        if self.population:
            self._note_mutation(number, trial, progress)
        if action == TrialScheduler.STOP:
            self._desk.pruned(number)
        elif action == TrialScheduler.PAUSE or trial.status == Trial.PAUSED:
            self._desk.paused(number)
        return action

    def _is_later(self, number: int, time: float) -> bool:
        """Ends what would be endless: a trial that takes up the training of one that is behind comes here again."""
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
        self._desk.took_up(number, resolved, self._saved[taken.config.number])
        trial.set_config(trial.config | {"order": self._order(entry).model_dump_json(), "number": number})  # type: ignore[no-untyped-call]


class Clock:
    """What Ray's schedulers are told of an evaluation."""

    def __init__(self, spec: StudySpec) -> None:
        self._rungs = rung_fractions(spec)
        self._metric = METRICS[spec.search.objectives[0]]
        self._base = 1 if spec.search.pruner.name == POPULATION else spec.search.pruner.reduction_factor

    @property
    def end(self) -> int:
        """The time of a full training."""
        return self.time(len(self._rungs) + 1)

    def time(self, passed: int) -> int:
        """1, 2, 3 ... for a population; for halving 1, 4, 16 ... with a reduction factor of 4; 0 before the first."""
        if self._base == 1 or not passed:
            return passed
        return int(self._base ** (passed - 1))

    def read(self, progress: Progress) -> dict[str, float] | None:
        """None where there is nothing to judge by."""
        value = progress.metrics.get(self._metric.name, math.nan)
        if not math.isfinite(value):
            return None
        return {"time": self.time(num_passed(self._rungs, progress)), "objective": -self._metric.sort_key(value)}


def make_scheduler(spec: StudySpec) -> TrialScheduler | None:
    """The scheduler of Ray's that the study asks for by name; None when it asks for a pruner of ours.

    Raises:
        InputError: Ray has no such scheduler, or population-based training has nothing that it could change.
    """
    pruner, clock = spec.search.pruner, Clock(spec)
    look: dict[str, Any] = {"time_attr": "time", "metric": "objective", "mode": "max"}
    if pruner.name == "ray-asha":
        return AsyncHyperBandScheduler(
            **look, grace_period=1, max_t=clock.end, reduction_factor=pruner.reduction_factor, brackets=1
        )
    if pruner.name == "ray-hyperband":
        return HyperBandScheduler(**look, max_t=clock.end, reduction_factor=pruner.reduction_factor)
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
