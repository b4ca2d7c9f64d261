"""A simple model of boxes: those that occur most in training, the same in every picture."""

from __future__ import annotations

import warnings

import numpy as np

from harness.data.encoded import Ragged
from harness.runtime import quick_imports
from harness.stats.boxes.matching import MAX_DETECTIONS

__all__ = ["commonest_boxes"]

_MOST_BOXES = 5_000


def commonest_boxes(shares: np.ndarray, classes: np.ndarray, num_pictures: int, sizes: np.ndarray) -> dict[str, Ragged]:
    """Returns for each picture the middles of groups of training boxes, as many of a class as a picture has of it.

    The score of a box is how many boxes a picture has in its group, at most 1.

    Args:
        shares: the training boxes [boxes, 4], sides as shares of their pictures.
        classes: their classes [boxes].
        num_pictures: how many training pictures there are.
        sizes: height and width of the pictures that are predicted [pictures, 2].
    """
    with quick_imports():
        from sklearn.cluster import KMeans

    found: list[tuple[float, int, np.ndarray]] = []
    for kind in np.unique(classes).tolist():
        boxes = shares[classes == kind]
        scale = len(boxes) / num_pictures
        drawn = boxes[np.linspace(0, len(boxes) - 1, min(len(boxes), _MOST_BOXES)).astype(int)]
        groups = min(max(1, round(scale)), len(np.unique(drawn, axis=0)), MAX_DETECTIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = KMeans(groups, n_init=1, random_state=0).fit(drawn)
        counts = np.bincount(fitted.labels_, minlength=groups) / len(drawn) * scale
        found += [
            (min(1.0, float(count)), kind, box) for count, box in zip(counts, fitted.cluster_centers_, strict=True)
        ]
    found = sorted(found, key=lambda item: -item[0])[:MAX_DETECTIONS]
    offsets = np.arange(len(sizes) + 1, dtype=np.int64) * len(found)
    places = np.stack([box for _, _, box in found])
    boxes = places[None] * np.tile(sizes[:, ::-1], 2)[:, None]
    return {
        "boxes": Ragged(values=boxes.reshape(-1, 4).astype(np.float32), offsets=offsets),
        "classes": Ragged(values=np.tile([kind for _, kind, _ in found], len(sizes)).astype(np.int64), offsets=offsets),
        "scores": Ragged(
            values=np.tile([score for score, _, _ in found], len(sizes)).astype(np.float32), offsets=offsets
        ),
    }
