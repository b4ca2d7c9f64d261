"""The simple answers that a fine-tuned model must beat: the sentence that is most like the question, and none."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from harness.data.encoded import Ragged
from harness.stats.answers import NO_ANSWER

__all__ = ["guesses", "no_answers", "sentence_answers"]

#: Behind a sign that ends a sentence: white space, or the next character where the sign is a Chinese one.
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|(?<=[。！？])[”’」』]*|\n+")
#: A Chinese or Japanese character, or letters and digits in a row.
_UNIT = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
#: What is given to all tokens together that the answer does not have.
_REST = 1e-3


def sentence_answers(questions: Sequence[str], contexts: Sequence[str]) -> dict[str, np.ndarray | Ragged]:
    """Returns the outputs whose answer is the sentence that shares most words with the question, the first of equals.

    Any word of it is as likely as another to begin or end the answer. Chinese and Japanese characters count as words.
    """
    spans = np.array([_sentence(*row) for row in zip(questions, contexts, strict=True)], dtype=np.int64)
    return _outputs(spans.reshape(-1, 2), contexts)


def no_answers(contexts: Sequence[str]) -> dict[str, np.ndarray | Ragged]:
    """Returns the outputs that say of every row that its text has no answer."""
    return _outputs(np.full((len(contexts), 2), NO_ANSWER, dtype=np.int64), contexts)


def guesses(contexts: Sequence[str]) -> dict[str, np.ndarray | Ragged]:
    """Returns the outputs that never give an answer, and to which every word, and none, is as likely as another."""
    outputs = no_answers(contexts)
    offsets = outputs["log_probabilities"].offsets  # type: ignore[union-attr]
    counts = np.diff(offsets)
    values = np.repeat(-np.log(np.repeat(counts, counts))[:, None], 2, axis=1).astype(np.float32)
    return {**outputs, "log_probabilities": Ragged(values=values, offsets=offsets)}


def _sentence(question: str, context: str) -> tuple[int, int]:
    """Returns start and end of the sentence."""
    asked = set(_units(question))
    bounds = [0, *(match.end() for match in _END.finditer(context)), len(context)]
    pieces = [(start, end) for start, end in itertools.pairwise(bounds) if context[start:end].strip()]
    if not pieces:
        return 0, len(context)
    start, end = max(pieces, key=lambda piece: len(asked & set(_units(context[piece[0] : piece[1]]))))
    piece = context[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _units(text: str) -> list[str]:
    return _UNIT.findall(text.casefold())


def _outputs(spans: np.ndarray, contexts: Sequence[str]) -> dict[str, np.ndarray | Ragged]:
    """Returns outputs as a model has them: the words of each context, those of the answer likelier than others."""
    places, values = [], []
    for (start, end), context in zip(spans.tolist(), contexts, strict=True):
        words = [(NO_ANSWER, NO_ANSWER), *(match.span() for match in _UNIT.finditer(context))]
        of_row = np.array(words, dtype=np.int32)
        chosen = (of_row[:, 0] >= start) & (of_row[:, 1] <= end) & (of_row[:, 0] >= 0)
        if start == NO_ANSWER or not chosen.any():
            chosen = of_row[:, 0] == NO_ANSWER
        others = max(1, int((~chosen).sum()))
        likely = np.where(chosen, (1 - _REST) / chosen.sum(), _REST / others)
        places.append(of_row)
        values.append(np.repeat(np.log(likely)[:, None], 2, axis=1).astype(np.float32))
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in places])]).astype(np.int64)
    whole = np.concatenate([*places, np.zeros((0, 2), dtype=np.int32)])
    logs = np.concatenate([*values, np.zeros((0, 2), dtype=np.float32)])
    sure = np.where(spans[:, 0] == NO_ANSWER, np.log(_REST), np.log(1 - _REST))
    return {
        "candidates": spans,
        "scores": np.stack([sure, np.log(1 - np.exp(sure))], axis=1).astype(np.float32),
        "places": Ragged(values=whole, offsets=offsets),
        "log_probabilities": Ragged(values=logs, offsets=offsets),
        "spans": spans,
    }
