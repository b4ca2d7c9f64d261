"""Average precision as COCO computes it: the precision at 101 recalls, averaged over classes and thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.boxes.matching import ClassMatches, matches_by_class
from harness.stats.metric import Arrays

__all__ = ["average_precisions", "mean_average_precisions"]

_RECALLS = np.linspace(0.0, 1.0, 101)
_MAX_NUMBERS = 4_000_000  # in one piece of work


def mean_average_precisions(
    outputs: Arrays, targets: Arrays, weights: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """Returns the mAP of each draw of the pictures [draws]; NaN for a draw without an object.

    Args:
        outputs: ragged `boxes` [detections, 4], `classes` and `scores`.
        targets: ragged `boxes` [objects, 4] and `classes`.
        weights: how often each picture is drawn [draws, rows].
        thresholds: IoUs from which on a detection finds an object; the mean over them is returned.
    """
    matches = matches_by_class(outputs, targets, thresholds)
    if not matches:
        return np.full(len(weights), np.nan)
    by_class = np.stack([average_precisions(of_class, weights).mean(axis=1) for of_class in matches])
    is_there = np.isfinite(by_class)
    counts = is_there.sum(axis=0)
    sums = np.where(is_there, by_class, 0.0).sum(axis=0)
    means: np.ndarray = np.divide(sums, counts, out=np.full(len(weights), np.nan), where=counts > 0)
    return means


def average_precisions(matches: ClassMatches, weights: np.ndarray) -> np.ndarray:
    """Returns the average precision of one class [draws, thresholds]; NaN for draws without an object of it."""
    num_found = max(1, len(matches.rows))
    pieces = np.array_split(np.arange(len(weights)), -(-len(weights) * num_found // _MAX_NUMBERS))
    return np.concatenate([_of_piece(matches, weights[piece]) for piece in pieces])


def _of_piece(matches: ClassMatches, weights: np.ndarray) -> np.ndarray:
    drawn = weights[:, matches.rows]
    said = np.cumsum(drawn, axis=1)
    true = weights @ matches.true
    found = np.zeros((len(weights), len(matches.hits)))
    for level, hits in enumerate(matches.hits):
        at = np.flatnonzero(hits)  # precision is highest, and recall rises, at hits alone
        right = np.cumsum(drawn[:, at], axis=1)
        precision = np.divide(right, said[:, at], out=np.zeros_like(right), where=said[:, at] > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = np.divide(right, true[:, None], out=np.zeros_like(right), where=true[:, None] > 0)
        reached = np.searchsorted(_RECALLS, recall, side="right")  # so many of the 101 recalls, with each hit
        new = np.diff(reached, axis=1, prepend=0)
        found[:, level] = (envelope * new).sum(axis=1) / len(_RECALLS)
    return np.where(true[:, None] > 0, found, np.nan)
