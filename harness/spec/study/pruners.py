"""The table of pruners: a study names one, and the search makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["PRUNERS", "Judged", "PrunerEntry"]

Judged = Literal["never", "halving", "quarters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerEntry:
    """Where a pruner judges trials, and what decides.

    Attributes:
        judged: never; at `min_fraction * reduction_factor**k` of the training (halving: Jamieson and Talwalkar 2016,
            section 3; Li et al. 2018, section 3); or at its quarters.
        policy: what makes the `harness.search.pruners.base.Policy`, as `module:name`: it is called with the study and
            the trivial baseline's validation scores by metric. None where every trial goes on, or Ray decides in its
            engine.
        by_ray: it runs on Ray only.
        factor: the reduction factor of a study that gives none.
    """

    judged: Judged
    policy: str | None = None
    by_ray: bool = False
    factor: int = 4


OPTUNA = "harness.search.pruners.from_optuna:OptunaPolicy"
#: By the name that `search.pruner.name` gives.
PRUNERS: Mapping[str, PrunerEntry] = {
    "rungs": PrunerEntry(judged="halving", policy="harness.search.pruners.rungs:Rungs.of", factor=2),
    "asha": PrunerEntry(judged="halving", policy=OPTUNA),
    "hyperband": PrunerEntry(judged="halving", policy=OPTUNA),
    "median": PrunerEntry(judged="quarters", policy=OPTUNA),
    "none": PrunerEntry(judged="never"),
    "ray-asha": PrunerEntry(judged="halving", by_ray=True),
    "ray-hyperband": PrunerEntry(judged="halving", by_ray=True),
    "ray-pbt": PrunerEntry(judged="quarters", by_ray=True),
}
