"""The classical models, with fixed settings, that a fine-tuned one must beat."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.clean import is_cjk
from harness.runtime import quick_imports

__all__ = [
    "features_baseline",
    "image_baseline",
    "label_probabilities",
    "labels_on_features",
    "majority_baseline",
    "scaled_features",
    "text_baseline",
    "text_vectors",
]

#: A word as scikit-learn defines it; it refuses texts without any.
_TWO_LETTERS = re.compile(r"\b\w\w+\b")


def majority_baseline(
    labels: np.ndarray, num_rows: Mapping[str, int], num_labels: int
) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the name and, for each split, the class shares of `labels` as the probabilities of every row."""
    shares = np.bincount(labels, minlength=num_labels) / len(labels)
    return "majority class", {split: np.tile(shares, (rows, 1)) for split, rows in num_rows.items()}


def text_baseline(
    train: Sequence[str], labels: np.ndarray, others: Mapping[str, Sequence[str]], num_labels: int
) -> tuple[str, dict[str, np.ndarray]]:
    """Fits TF-IDF of 1-2-grams (`text_vectors`) and logistic regression with C=10; returns name and probabilities."""
    with quick_imports():
        from sklearn.linear_model import LogisticRegression

    kind, vectors = text_vectors(train)
    # The default solver finds the same optimum in ten times the time (4,897 questions: 1.1 s against 0.1 s).
    model = LogisticRegression(C=10.0, max_iter=1000, solver="newton-cg")
    rows = {name: vectors.transform(texts) if len(texts) else [] for name, texts in others.items()}
    name = f"TF-IDF ({kind} 1-2-grams) + logistic regression"
    return name, _probabilities(model, vectors.transform(train), labels, rows, num_labels)


def text_vectors(texts: Sequence[str]) -> tuple[str, Any]:
    """Returns "word" or "character" and a fitted TF-IDF of such 1-2-grams; characters where most letters are CJK."""
    with quick_imports():
        from sklearn.feature_extraction.text import TfidfVectorizer

    word = not _mostly_cjk(texts) and any(_TWO_LETTERS.search(text) for text in texts)
    vectors = TfidfVectorizer(ngram_range=(1, 2), analyzer="word" if word else "char")
    return ("word" if word else "character"), vectors.fit(texts)


def _mostly_cjk(texts: Sequence[str], sample: int = 1000) -> bool:
    letters = [letter for text in texts[:sample] for letter in text if letter.isalpha()]
    return sum(map(is_cjk, letters)) * 2 > len(letters)


def image_baseline(
    train: np.ndarray, labels: np.ndarray, others: Mapping[str, np.ndarray], num_labels: int
) -> tuple[str, dict[str, np.ndarray]]:
    """Fits logistic regression on the pixels [rows, values], scaled to 0..1; returns name and probabilities."""
    with quick_imports():
        from sklearn.linear_model import LogisticRegression

    flat = {name: pixels.reshape(len(pixels), -1) / 255.0 for name, pixels in others.items()}
    model = LogisticRegression(max_iter=1000)
    return "logistic regression on pixels", _probabilities(
        model, train.reshape(len(train), -1) / 255.0, labels, flat, num_labels
    )


def features_baseline(
    train: np.ndarray, labels: np.ndarray, others: Mapping[str, np.ndarray], num_labels: int
) -> dict[str, np.ndarray]:
    """Fits logistic regression with C=10 on features [rows, width], scaled; returns probabilities."""
    with quick_imports():
        from sklearn.linear_model import LogisticRegression

    # Scaled features are as long as rows of TF-IDF, whatever their width, so the same C suits both.
    model = LogisticRegression(C=10.0, max_iter=1000)
    scaled, scaled_others = scaled_features(train, others)
    return _probabilities(model, scaled, labels, scaled_others, num_labels)


def label_probabilities(train: Any, sets: np.ndarray, others: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Fits logistic regression with C=10 for each label of `sets` [rows, num_labels] by itself.

    Returns:
        Probabilities [rows, num_labels] of each of `others`, whose rows are like those of `train`.
    """
    with quick_imports():
        from sklearn.linear_model import LogisticRegression

    # On sparse rows of texts this solver is the fastest; a label with few rows takes it a fraction of a second.
    solver = "lbfgs" if isinstance(train, np.ndarray) else "liblinear"
    probabilities = {name: np.zeros((rows.shape[0], sets.shape[1])) for name, rows in others.items()}
    for label in range(sets.shape[1]):
        model = LogisticRegression(C=10.0, max_iter=1000, solver=solver)
        for name, found in _probabilities(model, train, sets[:, label].astype(np.int64), others, 2).items():
            probabilities[name][:, label] = found[:, 1]
    return probabilities


def labels_on_features(train: np.ndarray, sets: np.ndarray, others: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fits `label_probabilities` on features [rows, width], scaled as in `features_baseline`."""
    scaled, scaled_others = scaled_features(train, others)
    return label_probabilities(scaled, sets, scaled_others)


def scaled_features(train: np.ndarray, others: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns features with mean 0 and one spread in the training rows, whose mean squared length is 1."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0) * np.sqrt(train.shape[1])
    return (train - mean) / scale, {split: (rows - mean) / scale for split, rows in others.items()}


def _probabilities(
    model: Any, train: Any, labels: np.ndarray, others: Mapping[str, Any], num_labels: int
) -> dict[str, np.ndarray]:
    """Returns probabilities [rows, num_labels] of each of `others`; 0 for a class that is not in train."""
    classes = np.unique(labels)
    if len(classes) > 1:  # scikit-learn fits no model to one class
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a solver that stops at max_iter still gives a baseline
            model.fit(train, labels)
    probabilities = {}
    for name, rows in others.items():
        num_rows = rows.shape[0] if hasattr(rows, "shape") else len(rows)
        probabilities[name] = np.zeros((num_rows, num_labels))
        if len(classes) == 1:
            probabilities[name][:, classes] = 1.0
        elif num_rows:
            probabilities[name][:, model.classes_] = model.predict_proba(rows)
    return probabilities
