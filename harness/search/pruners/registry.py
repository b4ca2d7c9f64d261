"""Creates the pruner that a study names."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import unknown_name
from harness.search.pruners.base import Policy, Unpruned
from harness.search.pruners.from_optuna import OptunaPolicy
from harness.search.pruners.rungs import Rungs
from harness.spec.configure import arms, default_numbers, keeps_default
from harness.spec.constraints import constraints_of
from harness.spec.rungs import reduction_factors
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of

__all__ = ["make_policy"]

OPTUNA, UNPRUNED = ("asha", "hyperband", "median"), ("none", "ray-asha", "ray-hyperband", "ray-pbt")


def make_policy(spec: StudySpec, chance: Mapping[str, float] | None = None) -> Policy:
    """Returns the study's pruner. Ray's own pruners run inside its engine, so they are `Unpruned` here.

    `chance` is the trivial baseline's validation score, by metric; without it every value counts as better.

    Raises:
        InputError: no pruner has this name.
    """
    pruner = spec.search.pruner
    if pruner.name == "rungs":
        return Rungs(
            reduction_factors(spec),
            *spec.search.objectives,
            task=facts_of(spec.task),
            num_arms=len(arms(spec)),
            least=spec.num_finalists,
            kept=default_numbers(spec) if keeps_default(spec) else (),
            chance=chance,
            num_trials=spec.search.trials,
            constraints=constraints_of(spec),
        )
    if pruner.name in OPTUNA:
        return OptunaPolicy(spec, chance)
    if pruner.name in UNPRUNED:
        return Unpruned()
    raise unknown_name("search.pruner.name", pruner.name, ("rungs", *OPTUNA, *UNPRUNED))
