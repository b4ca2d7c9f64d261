"""The metrics of clicks: outputs {"probabilities": [rows, 2]}, targets {"labels": [rows]}, 1 for a click.

Two more outputs are there where rows have users: `users` [rows], the number of each row's user, and, at the end of a
training, `ranks` [rows]: the place of a clicked item, from 1 on, among those that could be recommended to its user, and
0 for any other row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stats.classification import CLASSIFICATION
from harness.stats.forms import mean
from harness.stats.metric import Arrays, Metric, ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CLICKS"]

_SAME = {metric.name: metric for metric in CLASSIFICATION}


def _average_precision(outputs: Arrays, targets: Arrays, weights: np.ndarray) -> np.ndarray:
    from harness.stats.ranks import average_precision

    return average_precision(weights, outputs["probabilities"][:, 1], targets["labels"] == 1)


def _gaps(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the probability less the click of each row, in the column of its bin, and 1 [rows, bins + 1]."""
    import numpy as np

    from harness.stats.clicks.calibration import bins_of

    said = np.asarray(outputs["probabilities"][:, 1], dtype=float)
    bins = bins_of(said)
    gaps = np.zeros((len(said), int(bins.max()) + 2))
    gaps[np.arange(len(said)), bins] = said - targets["labels"]
    gaps[:, -1] = 1.0
    return gaps


def _calibration_error(sums: np.ndarray) -> np.ndarray:
    import numpy as np

    return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])


def _user_auc(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the area of each row's user, and 1; 0 and 0 where the user's rows are all clicks, or all none."""
    import numpy as np

    from harness.stats.clicks.by_user import user_areas

    users, areas = user_areas(outputs["users"], outputs["probabilities"][:, 1], targets["labels"] == 1)
    defined = np.isfinite(areas)
    return np.stack([np.where(defined, areas, 0.0)[users], defined[users].astype(float)], axis=1)


def _ndcg(outputs: Arrays, targets: Arrays) -> np.ndarray:
    from harness.stats.clicks.by_user import by_user, ndcg_of

    return by_user(outputs["users"], outputs["ranks"], ndcg_of)


def _recall(outputs: Arrays, targets: Arrays) -> np.ndarray:
    from harness.stats.clicks.by_user import by_user, recall_of

    return by_user(outputs["users"], outputs["ranks"], recall_of)


CLICKS: tuple[Metric, ...] = (
    _SAME["roc_auc"],
    _SAME["log_loss"],
    Metric(
        name="average_precision",
        title="average precision",
        maximize=True,
        low=0.0,
        high=1.0,
        needs_variety=True,
        value=_average_precision,
    ),
    Metric(
        name="calibration_error",
        title="calibration error",
        maximize=False,
        low=0.0,
        high=1.0,
        row_stats=_gaps,
        of_sums=_calibration_error,
    ),
    Metric(
        name="user_auc",
        title="AUC by user",
        maximize=True,
        low=0.0,
        high=1.0,
        needs="users",
        row_stats=_user_auc,
        of_sums=mean,
    ),
    Metric(
        name="ndcg_10",
        title="NDCG at 10",
        maximize=True,
        low=0.0,
        high=1.0,
        needs="ranks",
        is_written=True,
        row_stats=_ndcg,
        of_sums=mean,
    ),
    Metric(
        name="recall_10",
        title="recall at 10",
        maximize=True,
        low=0.0,
        high=1.0,
        needs="ranks",
        is_written=True,
        row_stats=_recall,
        of_sums=mean,
    ),
)
