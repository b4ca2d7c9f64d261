"""Answers: the forms in which they are read, their places in the text, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.data.kinds.answers import Answers
from harness.errors import DataError

KIND = Answers()
TEXT = "The fox saw the red fox."
FOX = [["fox", 4]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": ["fox"], "answer_start": [4]}, FOX),
        ({"text": np.array(["fox"], dtype=object), "answer_start": np.array([4])}, FOX),
        ({"text": "fox", "answer_start": 4}, FOX),
        ([{"text": "fox", "answer_start": 4}], FOX),
        ([{"text": "fox", "start": 4}, {"text": "fox", "start": 4}], FOX),
        (np.array([{"text": "fox", "answer_start": 4}], dtype=object), FOX),
        ('{"text": ["fox"], "answer_start": [4]}', FOX),
        ("{'text': ['fox'], 'answer_start': [4]}", FOX),
        ("{'text': array(['fox'],\n      dtype=object), 'answer_start': array([4])}", FOX),
        ("[{'text': 'fox', 'answer_start': 4}\n {'text': 'fox', 'answer_start': 4}]", FOX),
        ("{1}", [["{1}", None]]),
        ({"text": ["fox"]}, [["fox", None]]),
        (["fox", "red fox"], [["fox", None], ["red fox", None]]),
        ("red fox", [["red fox", None]]),
        ("[sic", [["[sic", None]]),
        ({"text": [], "answer_start": []}, []),
        ({"text": [""], "answer_start": [-1]}, []),
        ([], []),
        ("", None),
        (None, None),
    ],
)
def test_forms(value: Any, expected: Any) -> None:
    assert KIND.read("t.jsonl", "answers", [value]) == [expected]


@pytest.mark.parametrize("value", [{"answer_start": [1]}, {"text": ["a", "b"], "answer_start": [1]}, [5], [["a"]], 7])
def test_what_is_no_answer_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"t.jsonl: row 2: 'answers' holds no answers?: .*; allowed: a text, "):
        KIND.read("t.jsonl", "answers", ["fox", value])


def placed(answers: list[list[Any]]) -> tuple[list[Any], list[str]]:
    rows = list(range(7, 7 + len(answers)))
    inputs = pd.DataFrame({"question": ["?"] * len(answers), "context": [TEXT] * len(answers)})
    return KIND.placed("t.jsonl", "answers", answers, rows, inputs)


def test_answers_become_places() -> None:
    assert placed([[["fox", 4], ["red fox", 16]], []]) == ([[[4, 7], [16, 23]], []], [])
    assert placed([[["red", None]]]) == ([[[16, 19]]], [])


def test_moved_answer_is_told_where_it_is_unique() -> None:
    found, notes = placed([[["red fox", 17]], [["fox", 4]]])
    assert found == [[[16, 23]], [[4, 7]]]
    assert notes == [
        "t.jsonl: 'answers': 1 answers are not at their start (first: row 7): they are taken where 'context' has them, "
        "which is once"
    ]


def test_first_of_several_places_is_told() -> None:
    found, notes = placed([[["red", 16]], [["fox", None]]])
    assert found[1] == [[4, 7]]
    assert notes == [
        "t.jsonl: 'answers': 1 answers without a start are in 'context' more than once (first: row 8): they are taken "
        "where they occur first"
    ]


def test_answers_that_are_not_there_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"t.jsonl: row 7: 'answers': 'wolf' is not in 'context' \('The fox saw.*leave it"
    ):
        placed([[["wolf", 4]]])
    with pytest.raises(
        DataError, match=r"'fox' does not begin at character 5 of 'context', where 'ox ' is, .* leave the"
    ):
        placed([[["fox", 5]]])


def test_rows_without_any_answer_are_refused() -> None:
    with pytest.raises(DataError, match="no row has an answer in 'answers'"):
        KIND.check("t.jsonl", "answers", [[], []])
    with pytest.raises(DataError, match="no row of the training split has an answer"):
        KIND.check_split([[]])
    KIND.check("t.jsonl", "answers", [[], [[0, 1]]])


def test_rows_without_an_answer_are_a_stratum_and_told() -> None:
    values = [[[0, 1]], [], [[2, 3]]]
    assert KIND.strata(values).tolist() == [1, 0, 1]
    assert KIND.split_notes({"train": values, "test": values[:1]}) == [
        "train: 1 of 3 rows have no answer in their text"
    ]
