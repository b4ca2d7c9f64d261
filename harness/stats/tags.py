"""The metrics of a tag a word: outputs {"probabilities": Ragged [words, tags]}, targets {"tags": Ragged [words]}.

Tag ids follow the order of `harness.data.kinds.tags`: 0 is O, and type t has 2t + 1 for its first word (B-) and 2t + 2
for those after it (I-). An entity is a B- and the I- of its type behind it, as in seqeval's strict mode for IOB2: an I-
behind anything else belongs to none. An entity is right when its words and its type are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stats.forms import log_loss, percentage
from harness.stats.metric import Arrays, Metric, ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TAGS", "entities", "row_numbers"]

_LEAST_PROBABILITY = 1e-7


def row_numbers(offsets: np.ndarray) -> np.ndarray:
    """Returns the row of each word [words]."""
    import numpy as np

    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def entities(tags: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Returns the entities in their order [entities, 3]: first word, word behind the last, and type.

    Args:
        tags: tag ids of the words of all rows, one row after the other [words].
        offsets: where each row starts, and the end of the last [rows + 1].
    """
    import numpy as np

    kinds = np.where(tags > 0, (tags - 1) // 2, -1)
    goes_on = (tags > 0) & (tags % 2 == 0) & (kinds == np.concatenate([[-1], kinds[:-1]]))
    goes_on[offsets[:-1][np.diff(offsets) > 0]] = False
    starts = np.flatnonzero(~goes_on)
    ends = np.append(starts[1:], len(tags))
    is_entity = tags[starts] % 2 == 1
    spans: np.ndarray = np.stack([starts, ends, kinds[starts]], axis=1)[is_entity].astype(np.int64)
    return spans


def _entity_counts(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns how many entities of a row are true, predicted, and both [rows, 3]."""
    import numpy as np

    true, said = targets["tags"], outputs["probabilities"].values.argmax(axis=-1)
    offsets = np.asarray(true.offsets)
    row_of, both_sides = row_numbers(offsets), []
    marks = []
    for tags in (np.asarray(true.values), said):
        found = entities(tags, offsets)
        both_sides.append(np.bincount(row_of[found[:, 0]], minlength=len(true)))
        mark = np.full((len(tags), 2), -1, dtype=np.int64)
        mark[found[:, 0]] = found[:, 1:]
        marks.append(mark)
    same = (marks[0] == marks[1]).all(axis=1) & (marks[0][:, 0] >= 0)
    return np.stack([*both_sides, np.bincount(row_of[same], minlength=len(true))], axis=1)


def _f1(sums: np.ndarray) -> np.ndarray:
    return ratio(2 * sums[..., 2], sums[..., 0] + sums[..., 1], empty=0.0)


def _precision(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 2], sums[..., 1], empty=0.0)


def _recall(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 2], sums[..., 0], empty=0.0)


def _word_sums(targets: Arrays, values: np.ndarray) -> np.ndarray:
    """Returns the sum of `values` [words] over each row, and its words [rows, 2]."""
    import numpy as np

    offsets = np.asarray(targets["tags"].offsets)
    sums = np.bincount(row_numbers(offsets), weights=values, minlength=len(offsets) - 1)
    return np.stack([sums, np.diff(offsets)], axis=1)


def _word_hits(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    hits = outputs["probabilities"].values.argmax(axis=-1) == np.asarray(targets["tags"].values)
    return _word_sums(targets, hits).astype(np.int64)


def _word_losses(outputs: Arrays, targets: Arrays) -> np.ndarray:
    import numpy as np

    true = np.asarray(targets["tags"].values)
    of_truth = outputs["probabilities"].values[np.arange(len(true)), true]
    return _word_sums(targets, -np.log(np.clip(of_truth, _LEAST_PROBABILITY, 1.0)))


TAGS: tuple[Metric, ...] = (
    percentage("entity_f1", "entity F1", _entity_counts, _f1),
    percentage("entity_precision", "entity precision", _entity_counts, _precision),
    percentage("entity_recall", "entity recall", _entity_counts, _recall),
    percentage("token_accuracy", "token accuracy", _word_hits),
    log_loss(_word_losses),
)
