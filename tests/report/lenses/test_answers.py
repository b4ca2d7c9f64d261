"""The lens for answers in a text: what became of the questions, groups, the surest errors, and what it fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.view import View
from harness.report.lenses.answer_errors import groups_of
from harness.report.lenses.answers import AnswersLens
from harness.report.lenses.base import NO_ROWS
from tests.report.captions import ANSWER_CHECKS, kind_of
from tests.report.factory import make_results

CONTEXTS = ["Mira put the red key under the pot", "Tom slept", "It was June 1998", "Anna left", "the boat sank at noon"]
#: Right; none where there is none; a part of it; an answer without need; none where there is one.
GOLD = [[[9, 20], [13, 20]], [], [[7, 16]], [], [[17, 21]]]
SAID = [[9, 20], [-1, -1], [12, 16], [0, 4], [-1, -1]]
OTHER = [[0, 34], [-1, -1], [0, 16], [0, 9], [17, 21]]
TEXTS = [f"question {row}? {context}" for row, context in enumerate(CONTEXTS)]


def answers(said: list[list[int]] = SAID, contexts: list[str] = CONTEXTS) -> Answers:
    parts = [text.encode() for text in contexts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    gold = np.concatenate([[0], np.cumsum([len(spans) for spans in GOLD])])
    chances = np.log([[0.9, 0.05], [0.1, 0.8], [0.6, 0.1], [0.7, 0.2], [0.1, 0.4]])
    return Answers(
        {"spans": np.array(said), "scores": chances},
        {
            "contexts": Ragged(values=np.frombuffer(b"".join(parts), dtype=np.uint8), offsets=offsets),
            "spans": Ragged(values=np.array([span for spans in GOLD for span in spans]), offsets=gold),
            "question_words": np.array([4, 4, 6, 8, 9]),
        },
    )


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return View(make_results(tmp_path_factory.mktemp("answers"), trials=3))


def test_outcomes_are_counted(view: View) -> None:
    figure, by_length = AnswersLens().look(view, answers(), TEXTS).figures
    assert figure.data[0]["x"] == [2, 1, 0, 1, 1]
    assert figure.alt == ("Of 5 questions 2 right, 1 part of it, 0 wrong, 1 not answered and 1 answered without need.")
    for drawn in (figure, by_length):
        ANSWER_CHECKS[kind_of(drawn)](drawn)


def test_captions_that_are_wrong_fail_their_checks(view: View) -> None:
    for figure in AnswersLens().look(view, answers(), TEXTS).figures:
        wrong = replace(figure, alt=figure.alt.replace("2 right", "3 right").replace("100.0", "100.2"))
        assert wrong.alt != figure.alt
        with pytest.raises(AssertionError):
            ANSWER_CHECKS[kind_of(figure)](wrong)


def test_groups_and_baselines(view: View) -> None:
    table, _ = AnswersLens().look(view, answers(), TEXTS, {"sentence": answers(OTHER)}).tables
    rows = {row[0]: list(row[1:]) for row in table.rows}
    assert list(table.head) == ["questions", "number", "F1", "exact match", "F1 of the baseline: sentence"]
    assert rows["no answer in the text"] == ["2", "50.0\u00a0%", "50.0\u00a0%", "50.0\u00a0%"]
    assert rows["answer of 1 word"] == ["1", "0.0\u00a0%", "0.0\u00a0%", "100.0\u00a0%"]
    assert rows["answer in the last third"][0] == "1"
    assert rows["answer in the first third of the text"][1] == "100.0\u00a0%"
    assert sum(int(row[0]) for name, row in rows.items() if name.startswith("question of")) == 5


def test_wrong_answers_stand_beside_gold_and_baseline(view: View) -> None:
    *_, table = AnswersLens().look(view, answers(), TEXTS, {"sentence": answers(OTHER)}).tables
    assert [list(row)[:6] for row in table.rows] == [
        ["3", "0.0\u00a0%", "70.0\u00a0%", "no answer", "Anna", "Anna left"],
        ["4", "0.0\u00a0%", "40.0\u00a0%", "noon", "no answer", "noon"],
        ["2", "66.7\u00a0%", "60.0\u00a0%", "June 1998", "1998", "It was June 1998"],
    ]
    assert table.texts == {6}
    assert table.rows[0][6] == TEXTS[3]
    *_, without = AnswersLens().look(view, answers(), ()).tables
    assert without.caption == NO_ROWS


def test_truth_is_the_first_gold_answer(view: View) -> None:
    assert AnswersLens().truth(view, answers(), 0) == "answer 'the red key'"
    assert AnswersLens().truth(view, answers(), 1) == "no answer"


def test_nothing_wrong_has_no_table_of_errors(view: View) -> None:
    right = [spans[0] if spans else [-1, -1] for spans in GOLD]
    assert len(AnswersLens().look(view, answers(right), TEXTS).tables) == 1


def test_groups_are_about_equally_large() -> None:
    values = np.array([1, 1, 2, 3, 4, 5, 9, 30])
    groups = groups_of(values, np.arange(8), ("word", "words"))
    assert [name for name, _ in groups] == ["1 word", "2 to 3 words", "4 to 5 words", "6 to 30 words"]
    assert sorted(row for _, rows in groups for row in rows) == list(range(8))
    assert groups_of(values, np.arange(0), ("word", "words")) == []


def test_other_answers_do_not_fit() -> None:
    right = answers()
    assert AnswersLens().fits(right)

    def fits(outputs: dict[str, Any] | None = None, targets: dict[str, Any] | None = None) -> bool:
        return AnswersLens().fits(Answers({**right.outputs, **(outputs or {})}, {**right.targets, **(targets or {})}))

    assert not fits({"spans": np.zeros(5)})
    assert not fits({"scores": np.zeros((5, 3))})
    assert not fits(targets={"contexts": np.zeros(5)})
    assert not AnswersLens().fits(Answers({"probabilities": np.ones((2, 5))}, {"labels": np.ones(2, dtype=int)}))
