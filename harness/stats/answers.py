"""The metrics of answers that are parts of a text: which part a model chose, and how likely the right one was to it.

Targets: `contexts`, the texts, Ragged uint8 of UTF-8; `spans`, the gold answers, Ragged [answers, 2] of start and end
in characters, none where the text has no answer. Outputs: `spans` [rows, 2], the chosen answer (-1, -1 for none);
`places`, Ragged [tokens, 2], start and end of the tokens that a model read, window by window, each of which begins with
a place of (-1, -1) that stands for no answer; `log_probabilities`, Ragged [tokens, 2], of an answer's start and end.

A gold answer's text is what the context has at its place. `answer_texts` says how texts are compared.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from harness.stats.answer_texts import agreement, is_by_character
from harness.stats.forms import log_loss, percentage
from harness.stats.metric import Arrays, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from harness.stats.ragged import Ragged

__all__ = ["ANSWERS", "NO_ANSWER", "agreements", "gold_of", "texts_of", "tokens_of"]

#: The start and the end of no answer.
NO_ANSWER = -1
_LEAST_PROBABILITY = 1e-7


def texts_of(ragged: Ragged) -> list[str]:
    """Returns the text of each row from its UTF-8 bytes."""
    import numpy as np

    values, offsets = np.asarray(ragged.values), np.asarray(ragged.offsets).tolist()
    ends = itertools.pairwise(offsets)
    return [values[start:end].tobytes().decode("utf-8", "replace") for start, end in ends]


def gold_of(targets: Arrays) -> list[list[tuple[int, int]]]:
    """Returns start and end of the gold answers of each row."""
    import numpy as np

    values = [(int(start), int(end)) for start, end in np.asarray(targets["spans"].values).reshape(-1, 2)]
    offsets = np.asarray(targets["spans"].offsets).tolist()
    return [values[start:end] for start, end in itertools.pairwise(offsets)]


def agreements(spans: np.ndarray, targets: Arrays) -> np.ndarray:
    """Returns F1 and exact match of the answers `spans` [rows, 2] with the gold answers [rows, 2]."""
    import numpy as np

    found = np.zeros((len(spans), 2))
    rows = zip(texts_of(targets["contexts"]), gold_of(targets), np.asarray(spans).tolist(), strict=True)
    for row, (context, gold, (start, end)) in enumerate(rows):
        said = context[start:end] if start >= 0 else ""
        texts = [context[first:behind] for first, behind in gold]
        found[row] = agreement(said, texts, by_character=is_by_character(context))
    return found


def tokens_of(places: np.ndarray, start: int, end: int) -> tuple[int, int] | None:
    """Returns the first and the last token of an answer; None where not all of it is among the tokens.

    Args:
        places: start and end of each token in characters [tokens, 2], negative for those of no text.
        start: the answer's first character.
        end: the character behind its last one.
    """
    import numpy as np

    first = np.flatnonzero((places[:, 0] >= 0) & (places[:, 0] <= start) & (start < places[:, 1]))
    last = np.flatnonzero((places[:, 0] >= 0) & (places[:, 0] < end) & (end <= places[:, 1]))
    if not len(first) or not len(last) or first[0] > last[-1]:
        return None
    return int(first[0]), int(last[-1])


def _row_losses(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the loss of each row and 1 [rows, 2]."""
    import numpy as np

    places, values = outputs["places"], np.asarray(outputs["log_probabilities"].values)
    least = np.log(_LEAST_PROBABILITY)
    losses = np.ones((len(places), 2))
    for row, gold in enumerate(gold_of(targets)):
        start, end = int(places.offsets[row]), int(places.offsets[row + 1])
        of_row = np.maximum(values[start:end], least)
        losses[row, 0] = _loss(np.asarray(places.values[start:end]), of_row, gold)
    return losses


def _loss(places: np.ndarray, values: np.ndarray, gold: Sequence[tuple[int, int]]) -> float:
    """Returns the mean loss over the windows of a row, for the gold answer that makes it smallest."""
    import numpy as np

    bounds = [*np.flatnonzero(places[:, 0] == NO_ANSWER).tolist(), len(places)]
    windows = [slice(first, behind) for first, behind in itertools.pairwise(bounds)]
    if not windows:
        return float(-np.log(_LEAST_PROBABILITY))
    of_gold = []
    possible: list[tuple[int, int] | None] = [*gold]
    if not possible:
        possible.append(None)
    for answer in possible:
        tokens = [tokens_of(places[window], *answer) if answer else None for window in windows]
        chosen = [(0, 0) if pair is None else pair for pair in tokens]
        losses = [
            -(values[window][first, 0] + values[window][last, 1]) / 2
            for window, (first, last) in zip(windows, chosen, strict=True)
        ]
        of_gold.append(float(np.mean(losses)))
    return min(of_gold)


def _f1(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    f1 = agreements(outputs["spans"], targets)[:, 0]
    return np.stack([f1, np.ones_like(f1)], axis=1)


def _exact(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    hits = agreements(outputs["spans"], targets)[:, 1].astype(np.int64)
    return np.stack([hits, np.ones_like(hits)], axis=1)


ANSWERS: tuple[Metric, ...] = (
    percentage("f1", "F1", _f1),
    percentage("exact_match", "exact match", _exact, is_share=True),
    log_loss(_row_losses),
)
