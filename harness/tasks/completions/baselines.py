"""The simple answers that a fine-tuned language model must beat: what others were answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.encoded import Arrays
from harness.stats.completions import utf8
from harness.tasks.baselines import text_vectors

__all__ = ["commonest", "nearest", "said"]

_CHUNK_ROWS = 1024


def said(texts: Sequence[str]) -> Arrays:
    """Returns the outputs of a model that wrote `texts`, one for each row."""
    return {"texts": utf8(texts), "is_written": np.ones(len(texts), dtype=np.uint8)}


def commonest(completions: Sequence[str]) -> str:
    """Returns the completion that occurs most often, the first of equals."""
    return Counter(completions).most_common(1)[0][0]


def nearest(
    prompts: Sequence[str], completions: Sequence[str], others: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, list[str]]]:
    """Returns the name of the vectors, and for each prompt of `others` the completion of the nearest of `prompts`.

    The nearest has the largest cosine of TF-IDF (`text_vectors`), the first of equals.
    """
    kind, vectors = text_vectors(prompts)
    known = vectors.transform(prompts).T.tocsc()
    answers: dict[str, list[str]] = {}
    for split, asked in others.items():
        found: list[int] = []
        for start in range(0, len(asked), _CHUNK_ROWS):
            cosines = (vectors.transform(asked[start : start + _CHUNK_ROWS]) @ known).toarray()
            found.extend(np.asarray(cosines).argmax(axis=1).tolist())
        answers[split] = [completions[at] for at in found]
    return f"TF-IDF of {kind} 1-2-grams", answers
