"""Given and gold answers of the test rows: their texts, how they agree, and what rows are grouped by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.answers import Answers
from harness.stats.answer_texts import is_by_character
from harness.stats.answers import NO_ANSWER, agreements, gold_of, texts_of

__all__ = ["NONE", "OUTCOMES", "Compared", "groups_of", "of_answers"]

#: What can become of a question.
OUTCOMES = ("right", "part of it", "wrong", "not answered", "answered without need")
#: What is shown for no answer.
NONE = "no answer"


@dataclass(frozen=True)
class Compared:
    """The answers of a model beside the gold ones, a row each.

    `said` and `gold` are texts, the latter of all gold answers of a row; `scores` [rows, 2] are F1 and exact match,
    `confidence` the probability of what was said, `outcomes` numbers of `OUTCOMES`. `by_character` says that lengths
    count characters, not words. `answer_length` is that of the first gold answer (0: none), `question_length` that of
    the question, and `place` where the first gold answer begins, as a share of the text (NaN: none).
    """

    said: list[str]
    gold: list[list[str]]
    scores: np.ndarray
    confidence: np.ndarray
    outcomes: np.ndarray
    by_character: bool
    answer_length: np.ndarray
    question_length: np.ndarray
    place: np.ndarray


def of_answers(answers: Answers) -> Compared:
    """Compares the answers that the lens `answers` fits."""
    spans = np.asarray(answers.outputs["spans"])
    contexts, spans_of_gold = texts_of(answers.targets["contexts"]), gold_of(answers.targets)  # type: ignore[arg-type]
    gold = [
        [context[start:end] for start, end in of_row] for context, of_row in zip(contexts, spans_of_gold, strict=True)
    ]
    said = [
        context[start:end] if start >= 0 else "" for context, (start, end) in zip(contexts, spans.tolist(), strict=True)
    ]
    scores = agreements(spans, answers.targets)
    has_gold, is_given = np.array([bool(of_row) for of_row in gold]), spans[:, 0] != NO_ANSWER
    outcomes = np.where(scores[:, 1] == 1, 0, np.where(scores[:, 0] > 0, 1, 2))
    outcomes = np.where(has_gold & ~is_given, 3, np.where(~has_gold & is_given, 4, outcomes))
    logs = np.asarray(answers.outputs["scores"])
    by_character = sum(map(is_by_character, contexts)) * 2 > len(contexts)
    first = [of_row[0] if of_row else "" for of_row in gold]
    starts = [of_row[0][0] if of_row else np.nan for of_row in spans_of_gold]
    return Compared(
        said=said,
        gold=gold,
        scores=scores,
        confidence=np.exp(np.where(is_given, logs[:, 0], logs[:, 1])),
        outcomes=outcomes,
        by_character=by_character,
        answer_length=np.array([len(text) if by_character else len(text.split()) for text in first]),
        question_length=np.asarray(answers.targets["question_words"]),
        place=np.array(starts, dtype=float) / np.maximum(1, [len(context) for context in contexts]),
    )


def groups_of(values: np.ndarray, rows: np.ndarray, unit: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Returns at most four groups of `rows` by their whole `values`, about equally large: a name, and the rows.

    `unit` is the singular and the plural of what the values count.
    """
    of_rows = values[rows]
    if not len(rows):
        return []
    edges = sorted({int(edge) for edge in np.quantile(of_rows, [0.25, 0.5, 0.75, 1.0], method="lower")})
    groups, low = [], int(of_rows.min())
    for edge in edges:
        members = rows[(of_rows >= low) & (of_rows <= edge)]
        name = f"{low}" if low == edge else f"{low} to {edge}"
        if len(members):
            groups.append((f"{name} {unit[0] if edge == 1 else unit[1]}", members))
        low = edge + 1
    return groups
