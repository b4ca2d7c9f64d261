"""The metrics of a task with one label a row, in one call."""

from __future__ import annotations

import numpy as np

from harness.stats.classification import CLASSIFICATION
from harness.stats.metric import scores

__all__ = ["classification_metrics"]


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Each metric of classification, of `probabilities` [rows, num_labels] for `labels` [rows]."""
    return scores(CLASSIFICATION, {"probabilities": probabilities}, {"labels": labels})
