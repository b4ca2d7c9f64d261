"""The metrics of several labels a row.

They read the outputs {"probabilities": [rows, num_labels], "decisions": [rows, num_labels] bool} and the targets
{"label_sets": [rows, num_labels] 0 or 1}. A decision says that a label is given to a row: its probability is at least
the label's threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stats.forms import log_loss, percentage
from harness.stats.metric import Arrays, Metric, ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LABEL_SETS"]

_LEAST_PROBABILITY = 1e-7


def _counts(outputs: Arrays, targets: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns whether a label is true, given, and both, for each row and label: three arrays [rows, num_labels]."""
    true, given = targets["label_sets"].astype(bool), outputs["decisions"].astype(bool)
    return true, given, true & given


def _row_counts(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns how many labels of a row are true, given, and both [rows, 3]."""
    import numpy as np

    return np.stack([part.sum(axis=1) for part in _counts(outputs, targets)], axis=1)


def _label_counts(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the same for each label: [rows, 3 * num_labels]."""
    import numpy as np

    return np.concatenate(_counts(outputs, targets), axis=1)


def _micro_f1(sums: np.ndarray) -> np.ndarray:
    return ratio(2 * sums[..., 2], sums[..., 0] + sums[..., 1], empty=0.0)


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    """Returns the mean F1 of the labels that are true or given somewhere."""
    import numpy as np

    true, given, both = np.split(sums, 3, axis=-1)
    total = true + given
    return ratio(ratio(2 * both, total, empty=0.0).sum(axis=-1), (total > 0).sum(axis=-1), empty=0.0)


def _exact(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    hits = (outputs["decisions"].astype(bool) == targets["label_sets"].astype(bool)).all(axis=1)
    return np.stack([hits, np.ones_like(hits)], axis=1)


def _losses(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the binary log losses of a row's labels, added up, and 1 [rows, 2]."""
    import numpy as np

    of_truth = np.where(targets["label_sets"].astype(bool), outputs["probabilities"], 1 - outputs["probabilities"])
    losses = -np.log(np.clip(of_truth, _LEAST_PROBABILITY, 1.0)).sum(axis=1)
    return np.stack([losses, np.ones_like(losses)], axis=1)


def _average_precision(outputs: Arrays, targets: Arrays, weights: np.ndarray) -> np.ndarray:
    """Returns the mean over the labels that a row of the draw has; NaN where no row has any."""
    import numpy as np

    from harness.stats.ranks import average_precision

    true = targets["label_sets"].astype(bool)
    labels = np.flatnonzero(true.any(axis=0))
    if not len(labels):
        return np.full(len(weights), np.nan)
    total, defined = np.zeros(len(weights)), np.zeros(len(weights))
    for label in labels:
        precision = average_precision(weights, outputs["probabilities"][:, label], true[:, label])
        total += np.nan_to_num(precision)
        defined += np.isfinite(precision)
    return ratio(total, defined)


LABEL_SETS: tuple[Metric, ...] = (
    percentage("micro_f1", "micro F1", _row_counts, _micro_f1),
    percentage("macro_f1", "macro F1", _label_counts, _macro_f1),
    Metric(
        name="average_precision",
        title="average precision",
        maximize=True,
        low=0.0,
        high=1.0,
        needs_variety=True,
        value=_average_precision,
    ),
    percentage("exact_match", "exact match", _exact, is_share=True),
    log_loss(_losses),
)
