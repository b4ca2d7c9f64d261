"""The detection loss: how well all detections of a picture together say which objects are where."""

from __future__ import annotations

import math

import numpy as np

from harness.stats.boxes.matching import Detections, pictures
from harness.stats.boxes.overlap import generalised_iou
from harness.stats.metric import Arrays

__all__ = ["MISSED", "detection_losses"]

_LEAST = 1e-7
#: How much a wrong place counts: a box far off costs twice this.
_PLACE = 2.0
#: What an object costs that no box is given to.
MISSED = -math.log(_LEAST) + 2 * _PLACE


def detection_losses(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the loss of each picture, and its objects [rows, 2].

    Each object is given to one detection of its class so that the sum is smallest: -log(score), and twice 1 - GIoU. An
    object without one costs as much as one with score 0 far away. Each detection that has no object costs
    -log(1 - score).
    """
    rows = [_loss(objects, found) for objects, found in pictures(outputs, targets)]
    return np.array(rows, dtype=float).reshape(-1, 2)


def _loss(objects: Detections, found: Detections) -> tuple[float, int]:
    from scipy.optimize import linear_sum_assignment

    score = np.clip(found.scores.astype(float), _LEAST, 1 - _LEAST)
    empty = -np.log1p(-score)
    places = _PLACE * (1 - generalised_iou(objects.boxes, found.boxes))
    costs = np.where(objects.classes[:, None] == found.classes, places - np.log(score) - empty, MISSED)
    costs = np.concatenate([costs, np.full((len(costs), len(costs)), MISSED)], axis=1)
    return float(costs[linear_sum_assignment(costs)].sum() + empty.sum()), len(objects.boxes)
