"""The rungs of a study, at which trials are judged, and the rungs of each trial, which depend on its length."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import unknown_name
from harness.spec.steps import step_at, warmup_steps
from harness.spec.study import PrunerSpec, StudySpec

__all__ = [
    "FIRST_STEPS",
    "NEAR_A_RUNG",
    "POPULATION",
    "TrialRungs",
    "num_promoted",
    "rung_fractions",
    "rung_resource",
    "rung_share",
    "rungs_passed",
    "trial_rungs",
]

SAME = 1e-6
QUARTERS = (0.25, 0.5, 0.75)
POPULATION = "ray-pbt"
AT_QUARTERS = ("median", POPULATION)
HALVING = ("rungs", "asha", "hyperband", "ray-asha", "ray-hyperband")
#: Points of a training that are nearer to each other than this share of it count as one.
NEAR_A_RUNG = 0.02
#: No trial is judged before it has made so many steps: until then a model of many classes may still guess.
FIRST_STEPS = 30
#: A training that could be judged only after this share of it is not worth pruning.
HALF = 0.5

TrialRungs = tuple[float | None, ...]
"""An entry for each rung of the study, rising: the share of the trial's training at which it is judged there, or None
where it is not judged. A trial without any share is never pruned."""


def rung_fractions(spec: StudySpec) -> tuple[float, ...]:
    """Returns the shares of the full training, below 1 and rising, at which the pruner decides; () without a pruner.

    Median and population-based training decide at each quarter; the others at min_fraction * reduction_factor**k
    (Jamieson and Talwalkar 2016, section 3; Li et al. 2018, section 3).

    Raises:
        InputError: no pruner has this name.
    """
    pruner = spec.search.pruner
    if pruner.name == "none":
        return ()
    if pruner.name in AT_QUARTERS:
        return QUARTERS
    if pruner.name not in HALVING:
        raise unknown_name("search.pruner.name", pruner.name, ("none", *AT_QUARTERS, *HALVING))
    rungs = []
    rung = pruner.min_fraction
    while rung < 1 - SAME:
        rungs.append(rung)
        rung *= pruner.reduction_factor
    return tuple(rungs)


def rung_resource(pruner: PrunerSpec, rung: int) -> int:
    """Returns a rung as the whole number that Optuna's and Ray's pruners need.

    It is 1, 4, 16 for a reduction factor of 4, and 1, 2, 3 for pruners that decide at quarters. The rung after the last
    is the full training.
    """
    return rung + 1 if pruner.name in AT_QUARTERS else pruner.reduction_factor**rung


def num_promoted(num_reached: int, reduction_factor: int, least: int = 1) -> int:
    """Returns how many trials of a rung are promoted: one in `reduction_factor`, and at least `least`.

    (Jamieson and Talwalkar 2016, algorithm 1; Li et al. 2020, algorithm 2.)
    """
    return min(num_reached, max(1, num_reached // reduction_factor, least))


def trial_rungs(spec: StudySpec, num_steps: int, warmup_fraction: float) -> TrialRungs:
    """Returns the rungs of a trial of `num_steps`: none before its warm-up has ended, nor before `FIRST_STEPS`.

    An earlier rung moves to that step. Where it would reach the next rung, the trial is not judged at it, and is first
    judged at the next one. Where no rung is left in the first half of the training, the trial has none, unless the
    study's own first rung is as late. Population-based training prunes no trial and keeps its rungs.
    """
    ladder = rung_fractions(spec)
    if not ladder or spec.search.pruner.name == POPULATION:
        return ladder
    first_step = max(FIRST_STEPS, warmup_steps(num_steps, warmup_fraction))
    own: list[float | None] = []
    for share, following in zip(ladder, (*ladder[1:], None), strict=True):
        moved = step_at(num_steps, share) < first_step
        place = first_step / num_steps if moved else share
        is_left_out = moved and following is not None and place > following - NEAR_A_RUNG
        own.append(None if is_left_out else place)
    first = next(share for share in own if share is not None)
    return (None,) * len(ladder) if first >= HALF and first != ladder[0] else tuple(own)


def rungs_passed(rungs: Sequence[float | None], step: int, num_steps: int) -> list[int]:
    """Returns which of a trial's rungs (numbered as the study's) lie at or before `step` of `num_steps`."""
    return [index for index, share in enumerate(rungs) if share is not None and step >= step_at(num_steps, share)]


def rung_share(ladder: Sequence[float], rungs: TrialRungs, step: int, num_steps: int) -> float | None:
    """Returns the study's share of the rung that a trial has reached at `step`; None where `step` is none of its rungs.

    A short trial is judged at a later share of its own training, but counts as at the same rung as its competitors.
    `ladder` are the study's rungs, `rungs` the trial's own.
    """
    passed = rungs_passed(rungs, step, num_steps)
    return ladder[passed[-1]] if passed and step == step_at(num_steps, rungs[passed[-1]] or 0.0) else None
