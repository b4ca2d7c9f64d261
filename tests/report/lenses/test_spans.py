"""The lens for a tag a word: kinds of errors, tables by type and length, and what it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS
from harness.report.lenses.span_errors import KINDS, of_answers
from harness.report.lenses.spans import Spans
from tests.report.factory import make_results

NAMES = ("O", "B-A", "I-A", "B-B", "I-B")
TEXTS = ["a b c d", "e f g", "h i", "j k"]
#: Right and invented; wrong border; wrong type; missed.
TRUE = [[1, 2, 0, 0], [1, 2, 0], [0, 3], [3, 0]]
GIVEN = [[1, 2, 0, 3], [1, 0, 0], [0, 1], [0, 0]]


def ragged(rows: list[list[int]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Ragged(values=np.array([tag for row in rows for tag in row]), offsets=offsets)


def answers(true: list[list[int]] = TRUE, given: list[list[int]] = GIVEN) -> Answers:
    tags = ragged(given)
    values = np.full((len(tags.values), 5), 0.05)
    values[np.arange(len(values)), tags.values] = 0.8
    return Answers({"probabilities": Ragged(values=values, offsets=tags.offsets)}, {"tags": ragged(true)})


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return View(make_results(tmp_path_factory.mktemp("spans"), trials=3, labels=NAMES))


@pytest.mark.parametrize(
    ("true", "given", "kind"),
    [
        ([1, 2, 0], [1, 2, 0], "right"),
        ([1, 2, 0], [0, 1, 2], "wrong border"),
        ([1, 2, 0], [3, 4, 0], "wrong type"),
        ([1, 2, 0], [3, 4, 4], "wrong type and border"),
        ([1, 2, 0], [0, 0, 1], "missed"),
        ([1, 2, 2], [3, 1, 2], "wrong border"),  # of two that it touches, that of its type
    ],
)
def test_what_became_of_an_entity(true: list[int], given: list[int], kind: str) -> None:
    spans = of_answers(answers([true], [given]))
    assert [KINDS[number] for number in spans.kinds] == [kind]


def test_predicted_entity_that_touches_none_is_invented() -> None:
    assert of_answers(answers([[0, 0, 1]], [[1, 0, 1]])).invented.tolist() == [True, False]


def test_tables(view: View) -> None:
    found = Spans().look(view, answers(), TEXTS)
    by_type, by_length, errors = found.tables
    assert [list(row) for row in by_type.rows] == [
        ["A", "2", "33.3\u00a0%", "50.0\u00a0%", "40.0\u00a0%"],
        ["B", "2", "0.0\u00a0%", "0.0\u00a0%", "0.0\u00a0%"],
    ]
    assert [list(row) for row in by_length.rows] == [
        ["1 word", "2", "0.0\u00a0%", "0.0\u00a0%", "0.0\u00a0%"],
        ["2 words", "2", "100.0\u00a0%", "50.0\u00a0%", "66.7\u00a0%"],
    ]
    assert sorted(list(row)[:5] for row in errors.rows) == [
        ["0", "invented", "80.0\u00a0%", "–", "d (B)"],
        ["1", "wrong border", "80.0\u00a0%", "e f (A)", "e (A)"],
        ["2", "wrong type", "80.0\u00a0%", "i (B)", "i (A)"],
        ["3", "missed", "80.0\u00a0%", "j (B)", "–"],
    ]
    assert {row[5] for row in errors.rows} == set(TEXTS)


def test_figure_counts_the_entities(view: View) -> None:
    (figure,) = Spans().look(view, answers(), TEXTS).figures
    assert figure.data[0]["x"] == [1, 1, 1, 0, 1, 1]
    assert figure.alt == "Of 4 entities 1 are right and 1 are missed; 1 predicted ones share no word with any."


def test_without_texts_places_are_shown(view: View) -> None:
    *_, errors = Spans().look(view, answers(), ()).tables
    assert errors.caption == NO_ROWS
    assert any("words 1 to 2 (A)" in row for row in errors.rows)


def test_nothing_to_show(view: View) -> None:
    assert "no entity" in Spans().look(view, answers([[0, 0]], [[0, 0]]), ()).empty
    right = Spans().look(view, answers([[1, 0]], [[1, 0]]), ["a b"])
    assert len(right.tables) == 2


def test_truth_counts_the_entities(view: View) -> None:
    assert Spans().truth(view, answers(), 0) == "1 entity (A)"
    assert Spans().truth(view, answers([[1, 0, 3]], [[0, 0, 0]]), 0) == "2 entities (A, B)"
    assert Spans().truth(view, answers([[0]], [[0]]), 0) == "no entity"


def fits(outputs: dict[str, Any], targets: dict[str, Any]) -> bool:
    return Spans().fits(Answers(outputs, targets))


def test_other_answers_do_not_fit() -> None:
    right = answers()
    assert Spans().fits(right)
    shifted = Ragged(values=ragged(TRUE).values, offsets=np.array([0, 3, 7, 9, 11]))
    assert not fits({"probabilities": right.outputs["probabilities"]}, {"tags": shifted})
    assert not fits({"probabilities": np.ones((2, 5))}, {"tags": np.ones(2, dtype=int)})
    assert not fits({"probabilities": right.outputs["probabilities"]}, {"tags": ragged([[9, 9, 0, 0], *TRUE[1:]])})
