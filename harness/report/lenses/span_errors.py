"""True and predicted entities of the test rows, matched, with the kind of each error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.stats.tags import entities, row_numbers

__all__ = ["KINDS", "MatchedSpans", "of_answers"]

#: What can become of an entity.
KINDS = ("right", "wrong border", "wrong type", "wrong type and border", "missed", "invented")


@dataclass(frozen=True)
class MatchedSpans:
    """Entities [entities, 3] (first word, word behind the last, type), with words counted over all rows.

    `kinds` says what became of each true one, `invented` which predicted ones share no word with a true one, `partner`
    which predicted one shares a word with a true one (-1: none), and `scores` how sure the model is of each predicted
    one: the mean probability of its words' tags. Of a missed one it is that of the tags O, in `missed_scores`.
    """

    true: np.ndarray
    said: np.ndarray
    kinds: np.ndarray
    partner: np.ndarray
    invented: np.ndarray
    scores: np.ndarray
    missed_scores: np.ndarray
    row_of: np.ndarray
    offsets: np.ndarray


def of_answers(answers: Answers) -> MatchedSpans:
    """Matches the entities of answers that the lens `spans` fits."""
    tags, probabilities = answers.targets["tags"], answers.outputs["probabilities"]
    if not isinstance(tags, Ragged) or not isinstance(probabilities, Ragged):
        raise TypeError("tags and their probabilities are ragged arrays")
    offsets, values = np.asarray(tags.offsets), np.asarray(probabilities.values)
    true, said = entities(np.asarray(tags.values), offsets), entities(values.argmax(axis=-1), offsets)
    owner = np.full(len(values), -1)
    for number, (start, end, _) in enumerate(said):
        owner[start:end] = number
    partner, kinds = np.full(len(true), -1), np.full(len(true), KINDS.index("missed"))
    for number, (start, end, kind) in enumerate(true):
        touching = np.unique(owner[start:end])
        touching = touching[touching >= 0]
        if not len(touching):
            continue
        same = [int(other) for other in touching if tuple(said[other, :2]) == (start, end)]
        of_type = [int(other) for other in touching if said[other, 2] == kind]
        partner[number] = (same or of_type or touching.tolist())[0]
        wrong_border, wrong_type = not same, said[partner[number], 2] != kind
        name = {(False, False): "right", (True, False): "wrong border", (False, True): "wrong type"}
        kinds[number] = KINDS.index(name.get((wrong_border, wrong_type), "wrong type and border"))
    covered = np.concatenate([[0], np.cumsum(_is_inside(true, len(values)))])
    invented = covered[said[:, 1]] == covered[said[:, 0]]
    best, outside = values.max(axis=-1, initial=0.0), values[:, 0]
    return MatchedSpans(
        true=true,
        said=said,
        kinds=kinds,
        partner=partner,
        invented=invented,
        scores=_means(best, said),
        missed_scores=_means(outside, true),
        row_of=row_numbers(offsets),
        offsets=offsets,
    )


def _is_inside(spans: np.ndarray, num_words: int) -> np.ndarray:
    inside = np.zeros(num_words, dtype=bool)
    for start, end, _ in spans:
        inside[start:end] = True
    return inside


def _means(values: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Returns the mean of `values` [words] over each span."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=float)])
    means: np.ndarray = (sums[spans[:, 1]] - sums[spans[:, 0]]) / np.maximum(1, spans[:, 1] - spans[:, 0])
    return means
