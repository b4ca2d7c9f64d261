"""The rungs of a study, at which trials are judged, and the rungs of each trial, which depend on its length."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import look_up
from harness.spec.steps import step_at, warmup_steps
from harness.spec.study import PrunerSpec, StudySpec
from harness.spec.study.pruners import PRUNERS, Judged

__all__ = [
    "EARLY",
    "FIRST_STEPS",
    "NEAR_A_RUNG",
    "POPULATION",
    "TrialRungs",
    "num_promoted",
    "promoted_shares",
    "rung_fractions",
    "rung_resource",
    "rung_share",
    "rungs_passed",
    "trial_rungs",
]

SAME = 1e-6
QUARTERS = (0.25, 0.5, 0.75)
POPULATION = "ray-pbt"
#: Before this share of a training a rung can only prune the worst trials: those that look best learn fast, and may end
#: behind others.
EARLY = 0.2
#: Points of a training that are nearer to each other than this share of it count as one.
NEAR_A_RUNG = 0.02
#: No trial is judged before it has made so many steps. Whether a rung has a signal is asked of its scores
#: (`ChanceGuard`).
FIRST_STEPS = 5
#: A rung that moves further than this share of the training is not worth its place.
HALF = 0.5

TrialRungs = tuple[float | None, ...]
"""An entry for each rung of the study, rising: the share of the trial's training at which it is judged there, or None
where it is not judged. A trial without any share is never pruned."""


def rung_fractions(spec: StudySpec) -> tuple[float, ...]:
    """Returns the shares of the full training, below 1 and rising, at which the pruner decides; () without a pruner.

    Raises:
        InputError: no pruner has this name.
    """
    pruner = spec.search.pruner
    judged = _judged(pruner)
    if judged != "halving":
        return QUARTERS if judged == "quarters" else ()
    rungs = []
    rung = pruner.min_fraction
    while rung < 1 - SAME:
        rungs.append(rung)
        rung *= pruner.factor
    return tuple(rungs)


def _judged(pruner: PrunerSpec) -> Judged:
    return look_up(PRUNERS, pruner.name, "search.pruner.name").judged


def promoted_shares(spec: StudySpec) -> tuple[float, ...]:
    """Returns for each rung what share of its trials goes on: 1 / factor of the study, before `EARLY` two thirds."""
    usual = 1 / spec.search.pruner.factor
    return tuple(2 / 3 if rung < EARLY else usual for rung in rung_fractions(spec))


def rung_resource(pruner: PrunerSpec, rung: int) -> int:
    """Returns a rung as the whole number that Optuna's and Ray's pruners need.

    It is 1, 4, 16 for a reduction factor of 4, and 1, 2, 3 for pruners that decide at quarters. The rung after the last
    is the full training.
    """
    return rung + 1 if _judged(pruner) == "quarters" else pruner.factor**rung


def num_promoted(num_reached: int, share: float, least: int = 1) -> int:
    """Returns how many trials of a rung are promoted: this share of them, and at least `least`.

    (Jamieson and Talwalkar 2016, algorithm 1; Li et al. 2020, algorithm 2.)
    """
    return min(num_reached, max(1, int(num_reached * share + SAME), least))


def trial_rungs(spec: StudySpec, num_steps: int, warmup_fraction: float) -> TrialRungs:
    """Returns the rungs of a trial of `num_steps`: those of the study that it can be judged at.

    A rung within the warm-up moves to its end, unless that is as late as the next rung or in the second half of the
    training. One that comes before `FIRST_STEPS` is left out and not moved: trials with the same warm-up are compared
    at the same share of their trainings, because the one that has done more of its training looks better.
    Population-based training prunes no trial and keeps its rungs.
    """
    ladder = rung_fractions(spec)
    if not ladder or spec.search.pruner.name == POPULATION:
        return ladder
    warm = warmup_steps(num_steps, warmup_fraction)
    own: list[float | None] = []
    for share, following in zip(ladder, (*ladder[1:], HALF), strict=True):
        moved = step_at(num_steps, share) < warm
        place = warm / num_steps if moved else share
        is_left_out = step_at(num_steps, place) < FIRST_STEPS or (moved and place > min(following, HALF) - NEAR_A_RUNG)
        own.append(None if is_left_out else place)
    return tuple(own)


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
