"""Where trials are judged: the rungs of a study, and what each trial's length makes of them."""

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
#: Points of a training that are nearer to each other than this share of it are one.
NEAR_A_RUNG = 0.02
#: No trial is judged before it has made so many steps: until then a model of many classes may still guess.
FIRST_STEPS = 30
#: A training whose first judgement would have to be moved beyond this share is not worth stopping.
HALF = 0.5

TrialRungs = tuple[float | None, ...]
"""One entry for each rung of the study, rising: the share of the trial's training at which it is judged there, or None
where it is not judged. Without any share the trial is never stopped."""


def rung_fractions(spec: StudySpec) -> tuple[float, ...]:
    """The shares of the full training, below 1 and rising, at which the pruner decides; () when nothing is pruned.

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
    """A rung as a whole number of shares of the training, as Optuna's and Ray's pruners want it.

    1, 4, 16 for a reduction factor of 4; 1, 2, 3 for those that decide at quarters. The rung after the last is the full
    training.
    """
    return rung + 1 if pruner.name in AT_QUARTERS else pruner.reduction_factor**rung


def num_promoted(num_reached: int, reduction_factor: int, least: int = 1) -> int:
    """How many of the trials that reached a rung go on: one in `reduction_factor`, and never fewer than `least`.

    (Jamieson and Talwalkar 2016, algorithm 1; Li et al. 2020, algorithm 2.)
    """
    return min(num_reached, max(1, num_reached // reduction_factor, least))


def trial_rungs(spec: StudySpec, num_steps: int, warmup_fraction: float) -> TrialRungs:
    """The rungs of a trial of `num_steps`: none before its warm-up has ended, nor before `FIRST_STEPS`.

    A rung that lies earlier moves to that step. Where it would come upon the next rung, the trial passes it by and is
    first judged at the next one. Where no rung is left before half of the training, the trial has none. (A study that
    asks for a later first rung has it; population-based training stops nobody and keeps its rungs.)
    """
    ladder = rung_fractions(spec)
    if not ladder or spec.search.pruner.name == POPULATION:
        return ladder
    first_step = max(FIRST_STEPS, warmup_steps(num_steps, warmup_fraction))
    own: list[float | None] = []
    for share, following in zip(ladder, (*ladder[1:], None), strict=True):
        moved = step_at(num_steps, share) < first_step
        place = first_step / num_steps if moved else share
        passed_by = moved and following is not None and place > following - NEAR_A_RUNG
        own.append(None if passed_by else place)
    first = next(share for share in own if share is not None)
    return (None,) * len(ladder) if first >= HALF and first != ladder[0] else tuple(own)


def rungs_passed(rungs: Sequence[float | None], step: int, num_steps: int) -> list[int]:
    """Which of a trial's rungs (numbered as the study's) lie at or before `step` of `num_steps`."""
    return [index for index, share in enumerate(rungs) if share is not None and step >= step_at(num_steps, share)]


def rung_share(ladder: Sequence[float], rungs: TrialRungs | None, step: int, num_steps: int) -> float | None:
    """The study's own share for the rung at which a trial stands at `step`; None where that is no rung of it.

    A trial that is judged later because its training is short has not come further than those that it competes with.
    `rungs` are the trial's own; None stands for the study's `ladder`.
    """
    own = ladder if rungs is None else rungs
    passed = rungs_passed(own, step, num_steps)
    return ladder[passed[-1]] if passed and step == step_at(num_steps, own[passed[-1]] or 0.0) else None
