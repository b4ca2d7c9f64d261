"""The kind of fields that hold the answers to a question: parts of a text of the row, none where it has no answer.

They are read from what the Hub's data sets hold ({"text": [...], "answer_start": [...]}), from SQuAD's files
([{"text": ..., "answer_start": ...}]), and from plain texts, whose place is looked for in the text of the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.kinds.base import Kind
from harness.data.kinds.lists import value_of
from harness.data.values import is_missing
from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answers"]

#: The keys of an answer's first character in the text.
_STARTS = ("answer_start", "start")
_ALLOWED = 'allowed: a text, {"text": [...], "answer_start": [...]}, or a list of {"text": ..., "answer_start": ...}'


class Answers(Kind):
    """The answers to a question, each a part of the last text of its row.

    They are read as [text, start] (start None: not given), and become [start, end] in characters by `placed`.
    """

    target = "spans"
    is_in_windows = True

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the answers of each row as [[text, start], ...]; [] where the text has none."""
        return [_answers_of(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, start=1)]

    def placed(
        self, place: str, column: str, values: Sequence[Any], rows: Sequence[int], inputs: pd.DataFrame
    ) -> tuple[list[Any], list[str]]:
        """Returns the answers as [[start, end], ...], and notes on those that were looked for.

        An answer that is not where its start says is taken where it is, if it is in the text once. One without a start
        is taken where it occurs first.
        """
        name = inputs.columns[-1]
        moved, first = [], []
        found = []
        for row, answers, text in zip(rows, values, inputs[name], strict=True):
            spans = []
            for answer, start in answers:
                at = start if start is not None and text.startswith(answer, start) else _found(text, answer, start)
                if at is None:
                    raise DataError(_misplaced(f"{place}: row {row}: '{column}'", name, text, answer, start))
                if start is None and text.count(answer) > 1:
                    first.append(row)
                if start is not None and at != start:
                    moved.append(row)
                spans.append([at, at + len(answer)])
            found.append(spans)
        notes = []
        if moved:
            what = f"{len(moved)} answers are not at their start (first: row {moved[0]})"
            notes.append(f"{place}: '{column}': {what}: they are taken where '{name}' has them, which is once")
        if first:
            what = f"{len(first)} answers without a start are in '{name}' more than once (first: row {first[0]})"
            notes.append(f"{place}: '{column}': {what}: they are taken where they occur first")
        return found, notes

    def of_new_words(self, values: Sequence[Any], rows: Sequence[Sequence[str]]) -> list[Any]:
        """Returns the first word as the answer to each question."""
        return [[[0, len(words[0])]] for words in rows]

    def same(self, value: Any) -> str:
        """Returns the answers as one text."""
        return str(value)

    def known(self, names: Sequence[str]) -> list[Any] | None:
        """Returns None: answers have no names."""
        return None

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses rows of which none has an answer."""
        if not any(len(value) for value in values):
            raise DataError(f"{place}: no row has an answer in '{column}'; there is nothing to learn")

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses rows of which none has an answer."""
        if not any(len(value) for value in values):
            raise DataError("no row of the training split has an answer after splitting; give more rows")

    def split_notes(self, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Says how many rows of each split have no answer."""
        none = {split: sum(not len(value) for value in of_split) for split, of_split in values.items()}
        return [
            f"{split}: {count} of {len(values[split])} rows have no answer in their text"
            for split, count in none.items()
            if count
        ]

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns 1 for a row with an answer, 0 for one without."""
        return np.array([int(len(value) > 0) for value in values], dtype=np.int64)


def _answers_of(place: str, value: Any) -> list[list[Any]] | None:
    """Returns the answers of a value as [text, start]; None for a missing one.

    Raises:
        DataError: it holds no answers; `place` begins the message.
    """
    if is_missing(value):
        return None
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        spelled = value_of(value)
        value = spelled if isinstance(spelled, dict if value.lstrip().startswith("{") else list) else value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return _of_columns(place, value)
    items = value if isinstance(value, (list, tuple)) else [value]
    answers = []
    for item in items:
        start: Any = None
        if isinstance(item, Mapping):
            start = next((item[key] for key in _STARTS if item.get(key) is not None), None)
            item = item.get("text")
        answers.append((item, start))
    return _checked(place, answers)


def _of_columns(place: str, value: Mapping[str, Any]) -> list[list[Any]]:
    """Returns the answers of {"text": [...], "answer_start": [...]}; either may be a single one."""
    texts = value.get("text")
    starts = next((value[key] for key in _STARTS if value.get(key) is not None), None)
    columns = [list(part) if isinstance(part, (list, tuple, np.ndarray)) else [part] for part in (texts, starts)]
    if "text" not in value or (starts is not None and len(columns[0]) != len(columns[1])):
        raise DataError(f"{place} holds no answer: {str(value)[:60]}; {_ALLOWED}")
    filled = columns[1] if starts is not None else [None] * len(columns[0])
    return _checked(place, list(zip(columns[0], filled, strict=True)))


def _checked(place: str, answers: Iterable[tuple[Any, Any]]) -> list[list[Any]]:
    """Returns the answers that have a text, which is how some data sets write that there is none."""
    checked: list[list[Any]] = []
    for text, start in answers:
        if text is None or text == "":
            continue
        if isinstance(start, (float, np.floating)) and start == int(start):
            start = int(start)
        if not isinstance(text, str) or not (start is None or isinstance(start, (int, np.integer))):
            raise DataError(f"{place} holds no answer: {str((text, start))[:60]}; {_ALLOWED}")
        if [text, start] not in checked:
            checked.append([text, None if start is None else int(start)])
    return checked


def _found(text: str, answer: str, start: int | None) -> int | None:
    """Returns where an answer is in a text: the first place without a start, else the only one; None without one."""
    if answer not in text or (start is not None and text.find(answer) != text.rfind(answer)):
        return None
    return text.find(answer)


def _misplaced(place: str, name: str, text: str, answer: str, start: int | None) -> str:
    """Says that an answer is not where it should be."""
    if answer not in text:
        remedy = "an answer must be a part of it, letter by letter: correct the row, or leave it out"
        return f"{place}: '{answer[:60]}' is not in '{name}' ('{text[:40]}...'); {remedy}"
    there = text[max(0, start or 0) : max(0, start or 0) + len(answer)]
    return (
        f"{place}: '{answer[:60]}' does not begin at character {start} of '{name}', where '{there[:60]}' is, and is in "
        "it more than once; count characters from 0, or leave the start out"
    )
