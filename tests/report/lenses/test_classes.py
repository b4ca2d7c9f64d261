from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from harness.data.answers import Answers
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS
from harness.report.lenses.class_scores import ClassScores, calibration, mistakes
from harness.report.lenses.classes import Classes, class_names
from harness.report.study.predictions import answers_of, shown_rows
from harness.report.study.winner import winner_section
from tests.report.factory import make_results


@pytest.fixture
def view(tmp_path: Path) -> View:
    return View(make_results(tmp_path, trials=12))


def answers(view: View) -> Answers:
    assert view.chosen is not None
    found = answers_of(view, view.chosen)
    assert found is not None
    return found


def scores(view: View) -> ClassScores:
    return ClassScores.of(answers(view))


def test_confusion_and_classes_are_those_of_scikit_learn(view: View) -> None:
    found = scores(view)
    assert found.confusion.tolist() == confusion_matrix(found.labels, found.predicted).tolist()
    expected = precision_recall_fscore_support(found.labels, found.predicted)
    assert pytest.approx(np.array(expected)) == np.array(found.per_class()).T


def test_class_that_was_never_predicted_has_no_precision() -> None:
    precision, recall, f1, support = ClassScores(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]])).per_class()[1]
    assert np.isnan(precision)
    assert (recall, f1, support) == (0.0, 0.0, 1)


def test_mistakes_are_the_surest_wrong_rows_with_their_texts(view: View) -> None:
    found = mistakes(scores(view), shown_rows(view, 500))
    assert len(found) == 25
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    assert all(one.label != one.predicted for one in found)
    assert all(f"number {one.row}," in one.text for one in found)
    assert max(s for s, right in zip(scores(view).confidence, scores(view).correct, strict=True) if not right) == (
        found[0].confidence
    )


def test_errors_without_rows_have_no_column_of_texts(view: View) -> None:
    *_, without = Classes().look(view, answers(view), ()).tables
    *_, with_texts = Classes().look(view, answers(view), shown_rows(view, 500)).tables
    assert without.caption == NO_ROWS
    assert with_texts.caption == ""
    assert [*without.head, "text"] == list(with_texts.head)
    assert [row[:4] for row in with_texts.rows] == list(without.rows)


def test_class_names_fall_back_to_numbers(view: View) -> None:
    assert class_names(view, 3) == ["positive", "neutral", "negative"]
    assert class_names(view, 2) == ["class 0", "class 1"]


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        ({"probabilities": np.eye(3)[:2]}, {"labels": np.array([0, 9])}),
        ({"probabilities": np.eye(3)[:2]}, {"labels": np.array([-1, 0])}),
        ({"probabilities": np.eye(3)[:2]}, {"labels": np.array([0.0, 1.0])}),
        ({"probabilities": np.ones(2)}, {"labels": np.array([0, 1])}),
        ({"probabilities": np.array([["a", "b"]] * 2)}, {"labels": np.array([0, 1])}),
        ({"predictions": np.ones(2)}, {"labels": np.array([0, 1])}),
        ({"probabilities": np.eye(3)[:2]}, {"numbers": np.array([0, 1])}),
    ],
)
def test_arrays_of_other_kinds_do_not_fit(outputs: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> None:
    assert not Classes().fits(Answers(outputs, targets))
    assert Classes().fits(Answers({"probabilities": np.eye(3)[:2]}, {"labels": np.array([0, 2])}))


def test_most_confused_pairs_come_first(view: View) -> None:
    table = next(
        table for table in winner_section(view).tables if table.title == "Which classes are mistaken for which"
    )
    counts = [int(row[2]) for row in table.rows]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == int((~scores(view).correct).sum())
    assert all(row[0] != row[1] for row in table.rows)


def test_winner_section_of_a_perfect_model_has_no_errors(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=12, accuracy=2.0))
    titles = [table.title for table in winner_section(view).tables]
    assert titles == ["The final models on test, with 95 % intervals", "Each class on test"]


def test_calibration_of_an_honest_model_has_no_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=40_000)
    found = calibration(confidence, rng.random(40_000) < confidence)
    assert found.error < 0.01
    assert found.num_rows.tolist() == [4000] * 10


def test_calibration_of_a_boaster_is_its_gap() -> None:
    found = calibration(np.full(100, 0.9), np.arange(100) < 60)
    assert found.confidence == pytest.approx(np.full(10, 0.9))
    assert float(np.average(found.accuracy, weights=found.num_rows)) == pytest.approx(0.6)
    assert found.error >= 0.3 - 1e-9


def test_calibration_of_few_rows_has_few_bins() -> None:
    assert calibration(np.array([0.6, 0.9]), np.array([True, False])).num_rows.tolist() == [1, 1]
