"""The points of a training at which a trial is evaluated, and on how many validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from harness.spec.rungs import EARLY, NEAR_A_RUNG, POPULATION, SAME
from harness.spec.study import StudySpec

__all__ = ["EARLY", "evaluation_points", "validation_rows"]

MAX_EPOCH_ENDS = 8
EARLY_ROWS = 256


def evaluation_points(spec: StudySpec, epochs: float, rungs: Sequence[float | None]) -> tuple[float, ...]:
    """Returns the shares of a training of `epochs` at which a trial is evaluated: `rungs`, points between, and 1.

    A point that is nearer than 2 % of the training to a rung (or to the end) is left out.
    """
    fixed = (*(share for share in rungs if share is not None), 1.0)
    per_epoch = spec.training.evaluations_per_epoch
    between = _last_epoch_ends(epochs) if per_epoch == "auto" else _regular(per_epoch * epochs)
    apart = [point for point in between if all(abs(point - rung) >= NEAR_A_RUNG for rung in fixed)]
    return tuple(sorted({*fixed, *apart}))


def validation_rows(spec: StudySpec, points: tuple[float, ...]) -> tuple[int | None, ...]:
    """Returns how many validation rows each evaluation scores: few before `EARLY` with rungs, else all (None)."""
    has_rungs = spec.search.pruner.name not in ("none", "median", POPULATION)
    return tuple(EARLY_ROWS if has_rungs and point < EARLY else None for point in points)


def _regular(count: float) -> list[float]:
    return [number / count for number in range(1, ceil(count - SAME))]


def _last_epoch_ends(epochs: float) -> list[float]:
    """Returns the ends of whole epochs in the last third of the training, evenly thinned to at most eight."""
    first, last = ceil(2 * epochs / 3 - SAME), ceil(epochs - SAME) - 1
    count = min(last - max(first, 1) + 1, MAX_EPOCH_ENDS)
    if count <= 0:
        return []
    step = (last - max(first, 1)) / max(count - 1, 1)
    return [floor(last - index * step) / epochs for index in range(count)]
