"""What a detector says of pictures, from the logits and places of its queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.data.encoded import Arrays, Ragged
from harness.stats.boxes.matching import MAX_DETECTIONS, greedy
from harness.stats.boxes.overlap import iou
from harness.stats.ragged import ragged_of

__all__ = ["THRESHOLD", "best_threshold", "detections", "shown"]

#: The key of config.json from which score on a box is shown.
THRESHOLD = "detection_threshold"


def detections(logits: np.ndarray, places: np.ndarray, sizes: np.ndarray, num_classes: int) -> dict[str, Ragged]:
    """Returns the 100 surest boxes of each picture: `boxes` in pixels, `classes` and `scores`, the surest first.

    Heads with one logit more than classes (DETR, YOLOS) say by it that a query has no object, and each query gives
    one box. The others (RT-DETR, deformable DETR) judge each class by itself, and a query may give a box for several.

    Args:
        logits: [pictures, queries, classes, or one more].
        places: centre, width and height as shares of the picture [pictures, queries, 4].
        sizes: height and width of each picture [pictures, 2].
        num_classes: how many classes there are.
    """
    if logits.shape[2] > num_classes:
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        scores = (shares / shares.sum(axis=2, keepdims=True))[..., :num_classes]
        scores = np.where(scores == scores.max(axis=2, keepdims=True), scores, -1.0)
    else:
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    flat = scores.reshape(len(scores), -1)
    order = np.argsort(-flat, axis=1, kind="stable")[:, :MAX_DETECTIONS]
    surest = np.take_along_axis(flat, order, axis=1)
    queries, classes = order // num_classes, order % num_classes
    corners = np.concatenate([places[..., :2] - places[..., 2:] / 2, places[..., :2] + places[..., 2:] / 2], axis=2)
    boxes = np.take_along_axis(corners, queries[..., None], axis=1) * np.tile(sizes[:, ::-1], 2)[:, None]
    is_said = surest >= 0
    offsets = np.concatenate([[0], np.cumsum(is_said.sum(axis=1))]).astype(np.int64)
    named = {
        "boxes": boxes.astype(np.float32),
        "classes": classes.astype(np.int64),
        "scores": surest.astype(np.float32),
    }
    return {name: Ragged(values=array[is_said], offsets=offsets) for name, array in named.items()}


def best_threshold(outputs: Arrays, targets: Arrays) -> float:
    """Returns the score from which on boxes, matched at an IoU of 0.5, have the highest F1; 0.5 where none is right."""
    scores, hits = [np.zeros(0)], [np.zeros(0, dtype=bool)]
    said, true = ([ragged_of(arrays[name]) for name in ("boxes", "classes")] for arrays in (outputs, targets))
    sure = ragged_of(outputs["scores"])
    for row in range(len(true[0])):
        found, kinds = (part.of(np.array([row])) for part in said)
        objects, classes = (part.of(np.array([row])) for part in true)
        overlaps = np.where(kinds[:, None] == classes, iou(found, objects), 0.0)
        scores.append(sure.of(np.array([row])))
        hits.append(greedy(overlaps, np.array([0.5]))[0] >= 0)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    all_scores, right = np.concatenate(scores)[order], np.cumsum(np.concatenate(hits)[order])
    if not len(right) or not right[-1]:
        return 0.5
    f1 = 2 * right / (np.arange(1, len(right) + 1) + len(true[0].values))
    return float(all_scores[int(f1.argmax())])


def shown(outputs: Arrays, settings: Mapping[str, Any]) -> Ragged:
    """Returns which boxes are shown: 1 for those whose score is at least the threshold of `settings`."""
    scores = ragged_of(outputs["scores"])
    is_shown = np.asarray(scores.values, dtype=np.float32) >= np.float32(settings.get(THRESHOLD, 0.5))
    return Ragged(values=is_shown.astype(np.uint8), offsets=scores.offsets)
