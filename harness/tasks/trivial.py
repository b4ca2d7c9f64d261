"""What a model has that has learned nothing: the task's trivial baseline."""

from __future__ import annotations

import numpy as np

from harness.data.prepared import PreparedData

__all__ = ["trivial_metrics"]


def trivial_metrics(data: PreparedData) -> dict[str, float]:
    """The metrics on validation of a guess that knows the class shares of training and looks at no row.

    The better of two guesses: always the majority class, or each class as often as it comes in training (macro F1 is
    higher so). Log loss is that of the training shares as probabilities. From the counts of the classes alone: the
    first trial does not wait for it.
    """
    train, validation = (_shares(data, split) for split in ("train", "validation"))
    return {
        "accuracy": float(validation[train.argmax()]),
        "macro_f1": max(_macro_f1(np.eye(len(train))[train.argmax()], validation), _macro_f1(train, validation)),
        "mcc": 0.0,
        "roc_auc": 0.5,
        "log_loss": float(-(validation * np.log(np.clip(train, 1e-7, 1.0))).sum()),
    }


def _shares(data: PreparedData, split: str) -> np.ndarray:
    """The share of each class [num_labels]."""
    counts = np.array([data.meta.counts[split][label] for label in data.labels], dtype=float)
    shares: np.ndarray = counts / max(1.0, counts.sum())
    return shares


def _macro_f1(guessed: np.ndarray, true: np.ndarray) -> float:
    """Of guesses with these shares [num_labels] that do not look: precision is the true share, recall the guessed."""
    there = guessed + true > 0
    return float(np.mean(2 * guessed[there] * true[there] / (guessed + true)[there]))
