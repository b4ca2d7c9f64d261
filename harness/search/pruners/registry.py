"""The pruner that a study names.

Knows nothing of trials.
"""

from __future__ import annotations

from harness.errors import unknown_name
from harness.search.pruners.base import Policy, Unpruned
from harness.search.pruners.from_optuna import OptunaPolicy
from harness.search.pruners.rungs import Rungs
from harness.spec.configure import arms, keeps_default, rung_fractions
from harness.spec.study import StudySpec

__all__ = ["make_policy"]

OPTUNA, UNPRUNED = ("asha", "hyperband", "median"), ("none", "ray-asha", "ray-hyperband", "ray-pbt")


def make_policy(spec: StudySpec) -> Policy:
    """The study's pruner. Ray's own run inside its engine, so nothing is pruned here for them.

    Raises:
        InputError: no pruner has this name.
    """
    pruner, num_arms = spec.search.pruner, len(arms(spec))
    if pruner.name == "rungs":
        objective = spec.search.objectives[0]
        fractions, factor, least = rung_fractions(spec), pruner.reduction_factor, spec.num_finalists
        return Rungs(fractions, factor, objective, num_arms=num_arms, least=least, keep_first=keeps_default(spec))
    if pruner.name in OPTUNA:
        return OptunaPolicy(spec, num_arms)
    if pruner.name in UNPRUNED:
        return Unpruned()
    raise unknown_name("search.pruner.name", pruner.name, ("rungs", *OPTUNA, *UNPRUNED))
