"""Metrics of many bootstrap resamples at once: what a metric would have been on other rows of the same kind.

Pure numpy. Knows nothing of intervals or models; the values are those of `harness.tasks.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from harness.errors import look_up

__all__ = ["RESAMPLED", "resampled_metric"]

_NUM_RESAMPLES = 2000
_MAX_NUMBERS = 4_000_000  # in one piece of work: 32 MB
_Score = Callable[[np.ndarray], np.ndarray]


def resampled_metric(
    metric: str, labels: np.ndarray, probabilities: np.ndarray, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Returns a metric's value on all rows, and its values on resamples of the rows `[draws]`.

    Args:
        metric: macro_f1, mcc, log_loss or roc_auc.
        labels: Class ids [rows].
        probabilities: [rows, num_labels].
        rng: The source of the resamples.

    Raises:
        InputError: the metric is none of these.
    """
    return look_up(RESAMPLED, metric, "metric")(labels, probabilities, rng)


def _of_confusion(
    score: _Score, labels: np.ndarray, probabilities: np.ndarray, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """A metric of the confusion matrix: a resample of rows is one multinomial draw of its cells."""
    num_rows, num_labels = probabilities.shape
    cells = np.bincount(labels * num_labels + probabilities.argmax(axis=1), minlength=num_labels**2)
    used = np.flatnonzero(cells)  # most cells of many classes are empty
    value = float(score(cells.reshape(1, num_labels, num_labels))[0])
    draws = []
    for size in _pieces(num_labels**2, _NUM_RESAMPLES):
        counts = np.zeros((size, num_labels**2), dtype=np.int64)
        counts[:, used] = rng.multinomial(num_rows, cells[used] / num_rows, size=size)
        draws.append(score(counts.reshape(size, num_labels, num_labels)))
    return value, np.concatenate(draws)


def _pieces(width: int, total: int) -> list[int]:
    """Sizes that add up to `total`, each of at most `_MAX_NUMBERS` numbers of `width`."""
    size = max(1, _MAX_NUMBERS // width)
    return [min(size, total - start) for start in range(0, total, size)]


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    hits = np.einsum("bii->bi", confusion).astype(float)
    total = confusion.sum(axis=1) + confusion.sum(axis=2)  # [draws, num_labels]: predicted + labelled
    present = total > 0
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=present)
    mean: np.ndarray = f1.sum(axis=1) / present.sum(axis=1)
    return mean


def _mcc(confusion: np.ndarray) -> np.ndarray:
    """Matthews' coefficient of many classes (Gorodkin 2004); 0 where it is undefined, as in scikit-learn."""
    rows = confusion.sum(axis=(1, 2)).astype(float)
    hits = np.einsum("bii->b", confusion).astype(float)
    labelled, predicted = confusion.sum(axis=2).astype(float), confusion.sum(axis=1).astype(float)
    above = hits * rows - (labelled * predicted).sum(axis=1)
    below = np.sqrt((rows**2 - (labelled**2).sum(axis=1)) * (rows**2 - (predicted**2).sum(axis=1)))
    coefficient: np.ndarray = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return coefficient


def _weights(num_rows: int, total: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each row is drawn: `[draws, rows]`, first once each, then `total` resamples in pieces."""
    yield np.ones((1, num_rows))
    for size in _pieces(num_rows, total):
        drawn = rng.integers(num_rows, size=(size, num_rows)) + np.arange(size)[:, None] * num_rows
        yield np.bincount(drawn.ravel(), minlength=size * num_rows).reshape(size, num_rows).astype(float)


def _log_loss(labels: np.ndarray, probabilities: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    losses = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1.0))
    means = np.concatenate([weights @ losses / len(labels) for weights in _weights(len(labels), _NUM_RESAMPLES, rng)])
    return float(means[0]), means[1:]


def _roc_auc(labels: np.ndarray, probabilities: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    num_labels = probabilities.shape[1]
    classes = [1] if num_labels == 2 else [k for k in range(num_labels) if np.any(labels == k)]
    orders = [(labels == k, *_ranked(probabilities[:, k])) for k in classes]
    # Sorting many classes costs seconds: fewer resamples then, never below 200.
    total = int(np.clip(1e8 / probabilities.size, 200, _NUM_RESAMPLES))
    pieces = []
    for weights in _weights(len(labels), total, rng):
        areas = np.stack([_area(weights, *order) for order in orders])
        known = np.isfinite(areas)
        with np.errstate(invalid="ignore"):
            pieces.append(np.where(known, areas, 0).sum(axis=0) / known.sum(axis=0))
    means = np.concatenate(pieces)
    return float(means[0]), means[1:]


def _ranked(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows by rising score, and where each run of equal scores starts in that order."""
    order = np.argsort(scores, kind="stable")
    return order, np.flatnonzero(np.diff(scores[order], prepend=-np.inf))


def _area(weights: np.ndarray, positive: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The area under the ROC curve of each row of weights [draws, rows]; equal scores count half."""
    sums = [np.add.reduceat((weights * side)[:, order], starts, axis=1) for side in (positive, ~positive)]
    wins, losses = sums
    below = np.cumsum(losses, axis=1) - losses / 2
    pairs = wins.sum(axis=1) * losses.sum(axis=1)
    areas: np.ndarray = np.full(len(weights), np.nan)
    np.divide((wins * below).sum(axis=1), pairs, out=areas, where=pairs > 0)
    return areas


_Resample = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[float, np.ndarray]]
RESAMPLED: Mapping[str, _Resample] = {
    "macro_f1": partial(_of_confusion, _macro_f1),
    "mcc": partial(_of_confusion, _mcc),
    "log_loss": _log_loss,
    "roc_auc": _roc_auc,
}
