"""The points of a training at which a trial is evaluated, and on how many validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from harness.spec.rungs import EARLY, NEAR_A_RUNG, SAME
from harness.spec.study import StudySpec
from harness.spec.study.pruners import PRUNERS

__all__ = ["EARLY", "MAX_EVALUATIONS", "evaluation_points", "validation_rows"]

EARLY_ROWS = 256
#: The most evaluations of a trial between its rungs and its end.
MAX_EVALUATIONS = 1_000


def evaluation_points(spec: StudySpec, epochs: float, rungs: Sequence[float | None]) -> tuple[float, ...]:
    """Returns the shares of a training of `epochs` at which a trial is evaluated: `rungs`, points between, and 1.

    `evaluations_per_epoch: auto` means every end of an epoch after the last rung, so that the curves of trials
    that train to their end show overfitting; of more than `MAX_EVALUATIONS` epochs every second, third ... A point that
    is nearer to a rung (or to the end) than 2 % of an epoch, or of a shorter training, is left out.
    """
    fixed = (*(share for share in rungs if share is not None), 1.0)
    per_epoch = spec.training.evaluations_per_epoch
    if per_epoch == "auto":
        last_rung = max(fixed[:-1], default=0.0)
        between = [point for point in _regular(epochs / ceil(epochs / MAX_EVALUATIONS)) if point > last_rung]
    else:
        between = _regular(per_epoch * epochs)
    near = NEAR_A_RUNG / max(1.0, epochs)
    apart = [point for point in between if all(abs(point - rung) >= near for rung in fixed)]
    return tuple(sorted({*fixed, *apart}))


def validation_rows(spec: StudySpec, points: tuple[float, ...]) -> tuple[int | None, ...]:
    """Returns how many validation rows each evaluation scores: few before `EARLY` with rungs, else all (None)."""
    is_halving = PRUNERS[spec.search.pruner.name].judged == "halving"
    return tuple(EARLY_ROWS if is_halving and point < EARLY else None for point in points)


def _regular(count: float) -> list[float]:
    return [number / count for number in range(1, ceil(count - SAME))]
