"""The lens for several labels a row: its figure, its tables, and what it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS
from harness.report.lenses.labels import Labels
from tests.report.factory import make_results

TRUE = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], dtype=np.uint8)
SAID = np.array([[0.9, 0.2, 0.1], [0.8, 0.4, 0.6], [0.7, 0.1, 0.2], [0.2, 0.95, 0.3]])
TEXTS = ["one", "two", "three", "four"]


def answers(true: Any = TRUE, said: Any = SAID) -> Answers:
    return Answers({"probabilities": said, "decisions": said >= 0.5}, {"label_sets": true})


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    folder = tmp_path_factory.mktemp("labels")
    return View(make_results(folder, trials=3, labels=("joy", "love", "fear")))


def test_each_label_has_its_scores(view: View) -> None:
    labels, sizes, _ = Labels().look(view, answers(), TEXTS).tables
    assert [list(row) for row in labels.rows] == [
        ["joy", "2", "66.7\u00a0%", "100.0\u00a0%", "80.0\u00a0%"],
        ["love", "2", "100.0\u00a0%", "50.0\u00a0%", "66.7\u00a0%"],
        ["fear", "0", "0.0\u00a0%", "–", "0.0\u00a0%"],
    ]
    assert [list(row) for row in sizes.rows] == [
        ["0 labels", "1", "1.00", "0.0\u00a0%"],
        ["1 label", "2", "1.00", "100.0\u00a0%"],
        ["2 labels", "1", "2.00", "0.0\u00a0%"],
    ]


def test_surest_errors_come_first(view: View) -> None:
    *_, errors = Labels().look(view, answers(), TEXTS).tables
    assert [list(row) for row in errors.rows] == [
        ["2", "joy given", "70.0\u00a0%", "none", "joy", "three"],
        ["1", "love not given", "60.0\u00a0%", "joy, love", "joy, fear", "two"],
        ["1", "fear given", "60.0\u00a0%", "joy, love", "joy, fear", "two"],
    ]
    *_, without = Labels().look(view, answers(), ()).tables
    assert without.caption == NO_ROWS


def test_figure_has_a_bar_a_label_and_a_true_caption(view: View) -> None:
    (figure,) = Labels().look(view, answers(), TEXTS).figures
    assert figure.data[0]["x"] == pytest.approx([0.8, 2 / 3, 0])
    assert figure.alt == "From 0.0\u00a0% to 80.0\u00a0% over 3 labels."


def test_no_error_is_no_table(view: View) -> None:
    assert len(Labels().look(view, answers(SAID >= 0.5), TEXTS).tables) == 2


def test_truth_names_the_labels(view: View) -> None:
    assert Labels().truth(view, answers(), 1) == "labels 'joy', 'love'"
    assert Labels().truth(view, answers(), 2) == "no label"


def test_other_answers_do_not_fit() -> None:
    assert Labels().fits(answers())
    assert not Labels().fits(Answers({"probabilities": SAID}, {"label_sets": TRUE}))
    assert not Labels().fits(Answers({"probabilities": SAID, "decisions": SAID > 0.5}, {"labels": TRUE[:, 0]}))
    assert not Labels().fits(Answers({"probabilities": SAID[:, :2], "decisions": SAID > 0.5}, {"label_sets": TRUE}))


def test_page_of_a_run_is_made(tmp_path: Path) -> None:
    names = [f"label {at}" for at in range(40)]
    rng = np.random.default_rng(0)
    true = (rng.random((50, 40)) < 0.1).astype(np.uint8)
    found = Labels().look(
        View(make_results(tmp_path, trials=3, labels=tuple(names))), answers(true, rng.random((50, 40))), ()
    )
    assert found.figures[0].note == "Shown are the 30 of 40 labels with the most rows."
