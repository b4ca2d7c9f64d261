"""The job of `harness replay`: what each pruner and sampler would have cost, and how good its pick would have been."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import InputError, look_up
from harness.records.curves import Curves
from harness.search.replay import replay
from harness.search.samplers import SAMPLERS
from harness.spec.params import searched
from harness.spec.space import Choices
from harness.spec.study import StudySpec
from harness.spec.study.pruners import PRUNERS
from harness.spec.tasks import facts_of
from harness.stats.intervals import Interval, seed_interval

__all__ = ["REPLAYED", "Outcome", "ReplayOptions", "changed", "outcomes"]

#: The pruners that decide in the search itself; those of Ray decide in its engine.
REPLAYED = tuple(name for name, entry in PRUNERS.items() if not entry.by_ray)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What is replayed: how often, each with a seed of its own, with how many trials on how many slots.

    Without samplers or a number of trials, those of the study.
    """

    pruners: tuple[str, ...]
    samplers: tuple[str, ...] = ()
    num_replays: int = 200
    num_trials: int | None = None
    num_slots: int = 1

    def check(self) -> None:
        """Raises InputError where there is no such pruner or sampler, or a number is not above 0."""
        for name in self.pruners:
            look_up(dict.fromkeys(REPLAYED), name, "--pruner")
        for name in self.samplers:
            look_up(dict.fromkeys(("grid", *SAMPLERS)), name, "--sampler")
        for option, number in (("--n", self.num_replays), ("--trials", self.num_trials), ("--slots", self.num_slots)):
            if number is not None and number < 1:
                raise InputError(f"{option} {number}: must be 1 or more")

    def trials_of(self, curves: Curves) -> int:
        """Returns how many trials each replayed search has."""
        return min(self.num_trials or curves.spec.search.trials, curves.num_params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The replays with one pruner and sampler: mean cost and mean regret, with 95 % intervals of the means.

    `unknown` are the trials of a pruned run that would have been trained beyond the point at which they were stopped:
    where there are any, cost and regret are not known. Nor are they where trials are `unseen`: without an evaluation
    near the points at which the pruner judges them.
    """

    pruner: str
    sampler: str
    cost: Interval
    regret: Interval
    unknown: tuple[int, ...]
    unseen: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The outcome as `harness replay --json` prints it."""
        return asdict(self)


def outcomes(curves: Curves, options: ReplayOptions) -> Iterator[Outcome]:
    """Replays the curves with each pruner and sampler, and yields the outcome of each."""
    for sampler in options.samplers or (curves.spec.search.sampler,):
        for pruner in options.pruners:
            yield _outcome(curves, pruner, sampler, options)


def _outcome(curves: Curves, pruner: str, sampler: str, options: ReplayOptions) -> Outcome:
    spec = curves.spec if sampler != "grid" else _on_a_grid(curves)
    metric = facts_of(spec.task).metric(spec.search.objectives[0])
    replays = [
        replay(curves, changed(spec, pruner, sampler, options.trials_of(curves), seed), options.num_slots)
        for seed in range(options.num_replays)
    ]
    return Outcome(
        pruner=pruner,
        sampler=sampler,
        cost=seed_interval([replayed.cost for replayed in replays], rows=None, scale=(0.0, 1.0)),
        regret=seed_interval(
            [replayed.regret for replayed in replays], rows=None, scale=(0.0, metric.high - metric.low)
        ),
        unknown=tuple(sorted({number for replayed in replays for number in replayed.unknown})),
        unseen=tuple(sorted({number for replayed in replays for number in replayed.unseen})),
    )


def changed(spec: StudySpec, pruner: str, sampler: str, num_trials: int, seed: int) -> StudySpec:
    """Returns the study with another pruner, sampler, number of trials and seed, without a budget."""
    search = spec.search.model_copy(
        update={
            "pruner": spec.search.pruner.model_copy(update={"name": pruner}),
            "sampler": sampler,
            "trials": num_trials,
            "seed": seed,
        }
    )
    return spec.model_copy(update={"search": search, "budget": type(spec.budget)()})


def _on_a_grid(curves: Curves) -> StudySpec:
    """Returns the study with the values of the curves as the choices of each param."""
    spec = curves.spec
    for key in searched(spec):
        section, _, name = key.rpartition(".")
        values = sorted({curve.params[name] for curve in curves.curves if name in curve.params}, key=repr)
        update = {name: Choices(choices=tuple(values))}
        whole = getattr(spec, section)
        changed = whole | update if isinstance(whole, dict) else whole.model_copy(update=update)
        spec = spec.model_copy(update={section: changed})
    return spec
