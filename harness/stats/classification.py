"""The metrics of one label a row: outputs {"probabilities": [rows, num_labels]}, targets {"labels": [rows]}."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stats.forms import log_loss, percentage
from harness.stats.metric import Arrays, Metric, ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CLASSIFICATION"]

_LEAST_PROBABILITY = 1e-7


def _hits(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    hits = outputs["probabilities"].argmax(axis=1) == targets["labels"]
    return np.stack([hits, np.ones_like(hits)], axis=1)


def _losses(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    labels = targets["labels"]
    probabilities = outputs["probabilities"][np.arange(len(labels)), labels]
    losses = -np.log(np.clip(probabilities, _LEAST_PROBABILITY, 1.0))
    return np.stack([losses, np.ones_like(losses)], axis=1)


def _class_counts(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns for each row, by class: whether it is the label, the prediction, and both [rows, 3 * num_labels]."""
    import numpy as np

    labels, predicted = targets["labels"], outputs["probabilities"].argmax(axis=1)
    counts = np.zeros((len(labels), 3, outputs["probabilities"].shape[1]), dtype=bool)
    rows = np.arange(len(labels))
    counts[rows, 0, labels] = True
    counts[rows, 1, predicted] = True
    counts[rows, 2, labels] = predicted == labels
    return counts.reshape(len(labels), -1)


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    """Returns the mean F1 of the classes that occur in labels or predictions."""
    import numpy as np

    labelled, predicted, hits = np.split(sums, 3, axis=-1)
    total = labelled + predicted
    f1 = ratio(2 * hits, total, empty=0.0)
    return ratio(f1.sum(axis=-1), (total > 0).sum(axis=-1))


def _mcc(sums: np.ndarray) -> np.ndarray:
    """Returns Matthews' coefficient for many classes (Gorodkin 2004); 0 where it is undefined, as in scikit-learn."""
    import numpy as np

    labelled, predicted, hits = np.split(sums.astype(float), 3, axis=-1)
    rows = labelled.sum(axis=-1)
    numerator = hits.sum(axis=-1) * rows - (labelled * predicted).sum(axis=-1)
    denominator_squared = (rows**2 - (labelled**2).sum(axis=-1)) * (rows**2 - (predicted**2).sum(axis=-1))
    return ratio(numerator, np.sqrt(denominator_squared), empty=0.0)


def _roc_auc(outputs: Arrays, targets: Arrays, weights: np.ndarray) -> np.ndarray:
    """Returns the area for one class against the rest, averaged over the classes with rows inside and outside of them.

    NaN when there is no such class.
    """
    import numpy as np

    from harness.stats.ranks import area_under_roc

    probabilities, labels = outputs["probabilities"], targets["labels"]
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    areas = np.stack([area_under_roc(weights, probabilities[:, label], labels == label) for label in classes])
    defined = np.isfinite(areas)
    return ratio(np.where(defined, areas, 0).sum(axis=0), defined.sum(axis=0))


CLASSIFICATION: tuple[Metric, ...] = (
    percentage("accuracy", "accuracy", _hits, is_share=True),
    percentage("macro_f1", "macro F1", _class_counts, _macro_f1),
    Metric(
        name="mcc",
        title="MCC",
        maximize=True,
        low=-1.0,
        high=1.0,
        row_stats=_class_counts,
        of_sums=_mcc,
    ),
    Metric(name="roc_auc", title="ROC AUC", maximize=True, low=0.0, high=1.0, needs_variety=True, value=_roc_auc),
    log_loss(_losses),
)
