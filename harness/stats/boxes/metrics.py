"""The metrics of detections.

Outputs are {"boxes": Ragged [detections, 4], "classes", "scores"}, targets {"boxes": Ragged [objects, 4], "classes"}.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from harness.stats.forms import mean
from harness.stats.metric import Arrays, Metric

if TYPE_CHECKING:
    import numpy as np

__all__ = ["COCO_THRESHOLDS", "DETECTIONS"]

#: The IoUs over which COCO takes the mean: 0.50, 0.55, ... 0.95.
COCO_THRESHOLDS = tuple(at / 100 for at in range(50, 100, 5))


def _average_precision(
    thresholds: Sequence[float], outputs: Arrays, targets: Arrays, weights: np.ndarray
) -> np.ndarray:
    from harness.stats.boxes.precision import mean_average_precisions

    return mean_average_precisions(outputs, targets, weights, thresholds)


def _losses(outputs: Arrays, targets: Arrays) -> np.ndarray:
    from harness.stats.boxes.loss import detection_losses

    return detection_losses(outputs, targets)


def _precision(name: str, title: str, thresholds: Sequence[float]) -> Metric:
    return Metric(
        name=name,
        title=title,
        maximize=True,
        low=0.0,
        high=1.0,
        percent=True,
        value=partial(_average_precision, tuple(thresholds)),
    )


DETECTIONS: tuple[Metric, ...] = (
    _precision("map", "mAP", COCO_THRESHOLDS),
    _precision("map_50", "mAP50", (0.5,)),
    _precision("map_75", "mAP75", (0.75,)),
    Metric(
        name="detection_loss",
        title="detection loss",
        maximize=False,
        low=0.0,
        high=inf,
        row_stats=_losses,
        of_sums=mean,
    ),
)
