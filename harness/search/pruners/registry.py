"""Creates the pruner that a study names."""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name

from harness.errors import look_up
from harness.search.pruners.base import Policy, Unpruned
from harness.spec.study import StudySpec
from harness.spec.study.pruners import PRUNERS

__all__ = ["make_policy"]


def make_policy(spec: StudySpec, chance: Mapping[str, float] | None = None) -> Policy:
    """Returns the study's pruner. Ray's own pruners run inside its engine, so they are `Unpruned` here.

    `chance` is the trivial baseline's validation score, by metric; without it every value counts as better.

    Raises:
        InputError: no pruner has this name.
    """
    entry = look_up(PRUNERS, spec.search.pruner.name, "search.pruner.name")
    if entry.policy is None:
        return Unpruned()
    policy: Policy = resolve_name(entry.policy)(spec, chance or {})
    return policy
