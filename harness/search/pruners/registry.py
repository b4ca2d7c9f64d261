"""The pruner that a study names.

Knows nothing of trials.
"""

from __future__ import annotations

from harness.search.pruners.base import Policy, Unpruned
from harness.search.pruners.from_optuna import OptunaPolicy
from harness.search.pruners.rungs import Rungs
from harness.spec.configure import arms, keeps_default, rung_fractions
from harness.spec.study import StudySpec

__all__ = ["make_policy"]


def make_policy(spec: StudySpec) -> Policy:
    """The study's pruner. Ray's own run inside its engine, so nothing is pruned here for them."""
    pruner, num_arms = spec.search.pruner, len(arms(spec))
    if pruner.name == "rungs":
        objective = spec.search.objectives[0]
        fractions, factor, least = rung_fractions(spec), pruner.reduction_factor, spec.num_finalists
        return Rungs(fractions, factor, objective, num_arms=num_arms, least=least, keep_first=keeps_default(spec))
    if pruner.name in ("asha", "hyperband", "median"):
        return OptunaPolicy(spec, num_arms)
    return Unpruned()
