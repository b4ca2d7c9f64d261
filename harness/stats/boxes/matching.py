"""Which detections find an object, by COCO's rules.

Within a picture and a class the detections come in the order of their scores. Each takes the object that it overlaps
most among those that no detection before it has, if their IoU is at least a threshold. Crowds, bounds of area and
other numbers of detections than the 100 surest are COCO's too, and left out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats.boxes.overlap import iou
from harness.stats.metric import Arrays
from harness.stats.ragged import Ragged, ragged_of

__all__ = ["MAX_DETECTIONS", "ClassMatches", "Detections", "greedy", "matches_by_class", "pictures"]

#: So many of the surest detections of a class count in a picture.
MAX_DETECTIONS = 100


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one picture: `boxes` [boxes, 4], their classes, and for predicted ones their scores, highest first."""

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """The detections of one class in all pictures, the surest first.

    `rows` [detections] are their pictures, `hits` [thresholds, detections] say which find an object, and `true` [rows]
    counts the objects of the class in each picture.
    """

    rows: np.ndarray
    hits: np.ndarray
    true: np.ndarray


def pictures(outputs: Arrays, targets: Arrays) -> Iterator[tuple[Detections, Detections]]:
    """Yields the true boxes and the detections of each picture."""
    true = [ragged_of(targets[name]) for name in ("boxes", "classes")]
    said = [ragged_of(outputs[name]) for name in ("boxes", "classes", "scores")]
    for row in range(len(true[0])):
        boxes, classes = (_row(part, row) for part in true)
        found, kinds, scores = (_row(part, row) for part in said)
        order = np.argsort(-scores, kind="stable")
        yield (
            Detections(boxes, classes, np.ones(len(boxes))),
            Detections(found[order], kinds[order], scores[order]),
        )


def _row(array: Ragged, row: int) -> np.ndarray:
    values: np.ndarray = np.asarray(array.values)[array.offsets[row] : array.offsets[row + 1]]
    return values


def greedy(overlaps: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Returns which object each detection takes at each threshold [thresholds, detections]; -1: none.

    `overlaps` are the IoUs [detections, objects] of one class, the surest detection first.
    """
    taken = np.full((len(thresholds), len(overlaps)), -1)
    if not overlaps.size:
        return taken
    is_free = np.ones((len(thresholds), overlaps.shape[1]), dtype=bool)
    levels = np.arange(len(thresholds))
    for number in np.flatnonzero(overlaps.max(axis=1) >= thresholds.min()):
        free = np.where(is_free, overlaps[number], -1.0)
        last = free.shape[1] - 1 - free[:, ::-1].argmax(axis=1)  # of equal ones COCO takes the last
        is_hit = free[levels, last] >= thresholds
        taken[is_hit, number] = last[is_hit]
        is_free[levels[is_hit], last[is_hit]] = False
    return taken


def matches_by_class(outputs: Arrays, targets: Arrays, thresholds: Sequence[float]) -> list[ClassMatches]:
    """Returns the matches of each class that has an object in some picture."""
    levels = np.minimum(np.asarray(thresholds, dtype=float), 1 - 1e-10)
    num_rows = len(ragged_of(targets["boxes"]))
    scores: dict[int, list[np.ndarray]] = {}
    hits: dict[int, list[np.ndarray]] = {}
    rows: dict[int, list[np.ndarray]] = {}
    kinds, counts = np.unique(np.asarray(ragged_of(targets["classes"]).values), return_inverse=True)
    true = np.zeros((len(kinds), num_rows), dtype=np.int64)
    owners = np.repeat(np.arange(num_rows), np.diff(np.asarray(ragged_of(targets["classes"]).offsets)))
    np.add.at(true, (counts, owners), 1)
    for row, (objects, found) in enumerate(pictures(outputs, targets)):
        for kind in np.unique(found.classes).tolist():
            own, of_kind = np.flatnonzero(found.classes == kind)[:MAX_DETECTIONS], objects.classes == kind
            taken = greedy(iou(found.boxes[own], objects.boxes[of_kind]), levels)
            scores.setdefault(kind, []).append(found.scores[own])
            hits.setdefault(kind, []).append(taken >= 0)
            rows.setdefault(kind, []).append(np.full(len(own), row))
    matches = []
    for number, kind in enumerate(kinds.tolist()):
        if kind not in scores:
            matches.append(ClassMatches(np.zeros(0, dtype=int), np.zeros((len(levels), 0), dtype=bool), true[number]))
            continue
        order = np.argsort(-np.concatenate(scores[kind]), kind="stable")
        found_in, is_hit = np.concatenate(rows[kind])[order], np.concatenate(hits[kind], axis=1)[:, order]
        matches.append(ClassMatches(found_in, is_hit, true[number]))
    return matches
