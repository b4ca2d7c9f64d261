"""Random outputs, and what scikit-learn and scipy say of them."""

from __future__ import annotations

import math
import warnings

import numpy as np
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn import metrics as sk

__all__ = ["classified", "of_classes", "of_label_sets", "of_numbers", "scores_of_classes"]


def scores_of_classes(seed: int, num_rows: int, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that lean to them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_labels, size=num_rows)
    probabilities = rng.dirichlet(np.ones(num_labels), size=num_rows)
    probabilities[np.arange(num_rows), labels] += 0.3
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


@st.composite
def classified(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of a few rows: classes may be absent, probabilities equal, 0 or 1."""
    num_labels, num_rows = draw(st.integers(2, 6)), draw(st.integers(1, 30))
    label = st.integers(0, draw(st.integers(0, num_labels - 1)))
    labels = np.array(draw(st.lists(label, min_size=num_rows, max_size=num_rows)))
    parts = st.lists(st.integers(0, 4), min_size=num_labels, max_size=num_labels).filter(any)
    counts = np.array(draw(st.lists(parts, min_size=num_rows, max_size=num_rows)), dtype=float)
    return labels, counts / counts.sum(axis=1, keepdims=True)


def of_classes(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The metrics of classification by scikit-learn."""
    predicted = probabilities.argmax(axis=1)
    classes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    both = [label for label in classes if 0 < np.count_nonzero(labels == label) < len(labels)]
    areas = [sk.roc_auc_score(labels == label, probabilities[:, label]) for label in both]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that are all of one class
        return {
            "accuracy": sk.accuracy_score(labels, predicted),
            "macro_f1": sk.f1_score(labels, predicted, average="macro", zero_division=0.0),
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "roc_auc": float(np.mean(areas)) if areas else math.nan,
            "log_loss": float(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, 1)).mean()),
        }


def of_label_sets(true: np.ndarray, probabilities: np.ndarray, decisions: np.ndarray) -> dict[str, float]:
    """The metrics of several labels a row by scikit-learn; true and decisions are [rows, labels] of 0 and 1."""
    occurs = [label for label in range(true.shape[1]) if true[:, label].any() or decisions[:, label].any()]
    with_rows = [label for label in range(true.shape[1]) if true[:, label].any()]
    losses = [sk.log_loss(true[:, at], probabilities[:, at], labels=[0, 1]) for at in range(true.shape[1])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows without any label
        macro = sk.f1_score(true, decisions, labels=occurs, average="macro", zero_division=0.0) if occurs else 0.0
        return {
            "micro_f1": sk.f1_score(true, decisions, average="micro", zero_division=0.0),
            "macro_f1": macro,
            "average_precision": sk.average_precision_score(true[:, with_rows], probabilities[:, with_rows])
            if with_rows
            else math.nan,
            "exact_match": sk.accuracy_score(true, decisions),
            "log_loss": float(np.sum(losses)),
        }


def of_numbers(predictions: np.ndarray, numbers: np.ndarray) -> dict[str, float]:
    """The metrics of regression by scikit-learn and scipy."""
    return {
        "rmse": sk.root_mean_squared_error(numbers, predictions),
        "mae": sk.mean_absolute_error(numbers, predictions),
        "r2": sk.r2_score(numbers, predictions),
        "spearman": scipy_stats.spearmanr(numbers, predictions).statistic,
        "pearson": scipy_stats.pearsonr(numbers, predictions).statistic,
    }
