"""The classical taggers, with fixed settings, that a fine-tuned one must beat."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.data.encoded import Arrays, Ragged
from harness.runtime import quick_imports
from harness.stats.tags import entities

__all__ = ["longest_matches", "tag_outputs", "window_probabilities"]

Rows = Sequence[Sequence[str]]
#: The words on each side that a window holds.
REACH = 2
#: The most words that the windows are fitted on: half a minute on one core.
MAX_WORDS = 200_000
_HASHED = 2**18


def tag_outputs(values: Mapping[str, np.ndarray], rows: Mapping[str, Rows]) -> dict[str, Arrays]:
    """Returns the outputs by split, of probabilities [words, tags] of all rows of a split."""
    offsets = {split: np.concatenate([[0], np.cumsum([len(words) for words in rows[split]])]) for split in values}
    return {
        split: {"probabilities": Ragged(values=array, offsets=offsets[split].astype(np.int64))}
        for split, array in values.items()
    }


def longest_matches(
    words: Rows, tags: Sequence[np.ndarray], others: Mapping[str, Rows], num_tags: int
) -> dict[str, np.ndarray]:
    """Returns probabilities of 0 and 1 [words, tags] of each of `others`: entities of `words`, in any case.

    From the left the longest one is taken that begins at a word; it has the commonest of its types.
    """
    kinds: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    for row, of_row in zip(words, tags, strict=True):
        for start, end, kind in entities(np.asarray(of_row), np.array([0, len(of_row)])).tolist():
            kinds[_key(row[start:end])][kind] += 1
    longest = max(map(len, kinds), default=0)
    return {
        split: np.eye(num_tags)[[tag for row in rows for tag in _matched(row, kinds, longest)]]
        if any(len(row) for row in rows)
        else np.zeros((0, num_tags))
        for split, rows in others.items()
    }


def _key(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


def _matched(row: Sequence[str], kinds: Mapping[tuple[str, ...], Counter[int]], longest: int) -> list[int]:
    folded, found, at = _key(row), [0] * len(row), 0
    while at < len(row):
        lengths = range(min(longest, len(row) - at), 0, -1)
        size = next((size for size in lengths if folded[at : at + size] in kinds), 0)
        if size:
            kind = kinds[folded[at : at + size]].most_common(1)[0][0]
            found[at : at + size] = [2 * kind + 1, *[2 * kind + 2] * (size - 1)]
        at += max(1, size)
    return found


def window_probabilities(
    words: Rows, tags: Sequence[np.ndarray], others: Mapping[str, Rows], num_tags: int
) -> dict[str, np.ndarray]:
    """Fits logistic regression on each word, its neighbours, and their beginnings, ends and shapes.

    Returns:
        Probabilities [words, tags] of each of `others`.
    """
    with quick_imports():
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.linear_model import LogisticRegression

    hasher = FeatureHasher(_HASHED, input_type="string", alternate_sign=False)
    sizes = np.cumsum([len(row) for row in words])
    kept = max(1, int(np.searchsorted(sizes, MAX_WORDS, side="right")))
    true = np.concatenate(list(tags[:kept]))
    model = LogisticRegression(C=1.0, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a solver that stops at max_iter still gives a baseline
        model.fit(hasher.transform(_windows(words[:kept])), true)
    found = {}
    for split, rows in others.items():
        found[split] = np.zeros((sum(map(len, rows)), num_tags))
        if len(found[split]):
            found[split][:, model.classes_] = model.predict_proba(hasher.transform(_windows(rows)))
    return found


def _windows(rows: Rows) -> Iterator[list[str]]:
    """Yields the features of each word."""
    for row in rows:
        own = [_features(word) for word in row]
        for at in range(len(row)):
            features = ["bias"]
            for step in range(-REACH, REACH + 1):
                if 0 <= at + step < len(row):
                    count = 4 if abs(step) < REACH else 1
                    features += [f"{step}{feature}" for feature in own[at + step][:count]]
                else:
                    features.append(f"{step}none")
            yield features


def _features(word: str) -> list[str]:
    """Returns the word without case, its end, its shape and its beginning."""
    shape = "".join(
        "A" if sign.isupper() else "a" if sign.islower() else "0" if sign.isdigit() else sign for sign in word
    )
    return [f"w{word.casefold()}", f"e{word[-3:]}", f"s{shape[:6]}", f"b{word[:3]}"]
