"""Bins of probabilities, in which what a model says is compared with how often it happens."""

from __future__ import annotations

import numpy as np

__all__ = ["bins_of"]

_NUM_BINS = 10


def bins_of(probabilities: np.ndarray, num_bins: int = _NUM_BINS) -> np.ndarray:
    """Returns the bin of each row [rows]: as many rows in each as equal probabilities, which share one, allow."""
    levels = np.arange(1, num_bins) / num_bins
    edges = np.unique(np.quantile(probabilities, levels, method="inverted_cdf"))
    bins: np.ndarray = np.unique(np.searchsorted(edges, probabilities, side="left"), return_inverse=True)[1]
    return bins
