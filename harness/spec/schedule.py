"""When a trial is evaluated, and on how many validation rows.

Knows nothing of pruners' decisions: only of where their rungs lie.
"""

from __future__ import annotations

from math import ceil, floor

from harness.errors import unknown_name
from harness.spec.study import StudySpec

__all__ = ["EARLY", "evaluation_points", "rung_fractions", "validation_rows"]

SAME = 1e-6
NEAR_A_RUNG = 0.02
QUARTERS = (0.25, 0.5, 0.75)
HALVING = ("rungs", "asha", "hyperband", "ray-asha", "ray-hyperband")
MAX_EPOCH_ENDS = 8
#: Up to this share of a training a rung can only sort out the worst.
EARLY = 0.2
EARLY_ROWS = 256


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
    if pruner.name in ("median", "ray-pbt"):
        return QUARTERS
    if pruner.name not in HALVING:
        raise unknown_name("search.pruner.name", pruner.name, ("none", "median", "ray-pbt", *HALVING))
    rungs = []
    rung = pruner.min_fraction
    while rung < 1 - SAME:
        rungs.append(rung)
        rung *= pruner.reduction_factor
    return tuple(rungs)


def evaluation_points(spec: StudySpec, epochs: float) -> tuple[float, ...]:
    """The shares of a training of `epochs` after which a trial is evaluated: the rungs, points between, and 1.

    A point between that is nearer than 2 % of the training to a rung (or to the end) is left out.
    """
    fixed = (*rung_fractions(spec), 1.0)
    per_epoch = spec.training.evaluations_per_epoch
    between = _last_epoch_ends(epochs) if per_epoch == "auto" else _regular(per_epoch * epochs)
    kept = [point for point in between if all(abs(point - rung) >= NEAR_A_RUNG for rung in fixed)]
    return tuple(sorted({*fixed, *kept}))


def validation_rows(spec: StudySpec, points: tuple[float, ...]) -> tuple[int | None, ...]:
    """How many validation rows each evaluation scores: few where a rung only sorts out the worst, else all (None)."""
    has_rungs = spec.search.pruner.name not in ("none", "median", "ray-pbt")
    return tuple(EARLY_ROWS if has_rungs and point < EARLY else None for point in points)


def _regular(count: float) -> list[float]:
    return [number / count for number in range(1, ceil(count - SAME))]


def _last_epoch_ends(epochs: float) -> list[float]:
    """The ends of whole epochs in the last third of the training, evenly thinned to at most eight."""
    first, last = ceil(2 * epochs / 3 - SAME), ceil(epochs - SAME) - 1
    count = min(last - max(first, 1) + 1, MAX_EPOCH_ENDS)
    if count <= 0:
        return []
    step = (last - max(first, 1)) / max(count - 1, 1)
    return [floor(last - index * step) / epochs for index in range(count)]
