"""The classical models that a fine-tuned one must beat.

Knows nothing of checkpoints. Untuned on purpose: a floor is a floor because nobody worked on it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.clean import is_cjk

__all__ = ["image_baseline", "text_baseline"]

#: What scikit-learn takes for a word; without any, it would find an empty vocabulary.
_TWO_LETTERS = re.compile(r"\b\w\w+\b")


def text_baseline(
    train: Sequence[str], labels: np.ndarray, others: Mapping[str, Sequence[str]], num_labels: int
) -> tuple[str, dict[str, np.ndarray]]:
    """TF-IDF of word 1-2-grams (of character 1-2-grams where most letters are CJK), logistic regression with C=10."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    word = not _mostly_cjk(train) and any(_TWO_LETTERS.search(text) for text in train)
    features = TfidfVectorizer(ngram_range=(1, 2), analyzer="word" if word else "char")
    # The default solver finds the same optimum in ten times the time (4,897 questions: 1.1 s against 0.1 s).
    model = make_pipeline(features, LogisticRegression(C=10.0, max_iter=1000, solver="newton-cg"))
    name = f"TF-IDF ({'word' if word else 'character'} 1-2-grams) + logistic regression"
    return name, _probabilities(model, train, labels, others, num_labels)


def _mostly_cjk(texts: Sequence[str], sample: int = 1000) -> bool:
    letters = [letter for text in texts[:sample] for letter in text if letter.isalpha()]
    return sum(map(is_cjk, letters)) * 2 > len(letters)


def image_baseline(
    train: np.ndarray, labels: np.ndarray, others: Mapping[str, np.ndarray], num_labels: int
) -> tuple[str, dict[str, np.ndarray]]:
    """Logistic regression on the pixels [rows, values], scaled to 0..1."""
    from sklearn.linear_model import LogisticRegression

    flat = {name: pixels.reshape(len(pixels), -1) / 255.0 for name, pixels in others.items()}
    model = LogisticRegression(max_iter=1000)
    return "logistic regression on pixels", _probabilities(
        model, train.reshape(len(train), -1) / 255.0, labels, flat, num_labels
    )


def _probabilities(
    model: Any, train: Any, labels: np.ndarray, others: Mapping[str, Any], num_labels: int
) -> dict[str, np.ndarray]:
    """Probabilities [rows, num_labels] of each of `others`; 0 for a class that is not in train."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a solver that stops at max_iter is still a floor
        model.fit(train, labels)
    found = {}
    for name, rows in others.items():
        found[name] = np.zeros((len(rows), num_labels))
        if len(rows):
            found[name][:, model.classes_] = model.predict_proba(rows)
    return found
