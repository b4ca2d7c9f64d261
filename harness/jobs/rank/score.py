"""How well features tell classes apart, as one number."""

from __future__ import annotations

import numpy as np

__all__ = ["h_score"]


def h_score(features: np.ndarray, classes: np.ndarray) -> float:
    """Returns the shrunk H-score of features [rows, width] for classes [rows] (ids; -1 is left out).

    It is the share of the features' variance that lies between the classes, summed over the directions of the features:
    tr(C^-1 B) with the covariance C of all rows, shrunk by Ledoit and Wolf's rule, and B of the classes' means (Bao et
    al. 2019; Ibrahim et al. 2022). It is 0 where the classes have equal means, and below the number of classes less 1.
    """
    from sklearn.covariance import ledoit_wolf

    known = classes >= 0
    rows, ids = features[known].astype(np.float64), classes[known]
    names, counts = np.unique(ids, return_counts=True)
    if len(names) < 2:
        return 0.0
    rows = rows - rows.mean(0)
    covariance, shrinkage = ledoit_wolf(rows, assume_centered=True)
    means = np.stack([rows[ids == name].mean(0) for name in names])
    between = (means * (counts / counts.sum())[:, None]).T @ means
    return float((1 - shrinkage) * np.trace(np.linalg.solve(covariance, between)))
