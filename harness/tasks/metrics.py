"""How the metrics of classification are computed from probabilities.

Knows nothing of models; names, directions and bounds are in `harness.spec.metrics`.
"""

from __future__ import annotations

import numpy as np

__all__ = ["classification_metrics"]


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy, macro F1, MCC, ROC AUC and log loss of `probabilities` [rows, num_labels] for `labels` [rows].

    ROC AUC is one against the rest, averaged over the classes that occur both ways; NaN when there is none. Macro F1
    averages over the classes that occur in labels or predictions.
    """
    from sklearn import metrics as sk  # takes a second, which the first training step of a worker need not wait for

    predicted = probabilities.argmax(axis=1)
    num_labels = probabilities.shape[1]
    clipped = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0)
    return {
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(sk.f1_score(labels, predicted, average="macro", zero_division=0.0)),
        "mcc": float(sk.matthews_corrcoef(labels, predicted)),
        "roc_auc": _roc_auc(labels, probabilities, num_labels),
        "log_loss": float(-np.log(clipped).mean()),
    }


def _roc_auc(labels: np.ndarray, probabilities: np.ndarray, num_labels: int) -> float:
    from sklearn.metrics import roc_auc_score

    classes = [1] if num_labels == 2 else range(num_labels)
    areas = [
        roc_auc_score(labels == label, probabilities[:, label])
        for label in classes
        if 0 < np.count_nonzero(labels == label) < len(labels)
    ]
    return float(np.mean(areas)) if areas else float("nan")
