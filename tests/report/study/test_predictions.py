from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from harness.report.kit.view import View
from harness.report.study.predictions import Scores, class_names, mistakes, scores_of
from harness.report.study.winner import winner_section
from tests.report.factory import make_results


@pytest.fixture
def view(tmp_path: Path) -> View:
    return View(make_results(tmp_path, trials=12))


def scores(view: View) -> Scores:
    assert view.chosen is not None
    found = scores_of(view, view.chosen)
    assert found is not None
    return found


def test_confusion_and_classes_are_those_of_scikit_learn(view: View) -> None:
    found = scores(view)
    assert found.confusion.tolist() == confusion_matrix(found.labels, found.predicted).tolist()
    expected = precision_recall_fscore_support(found.labels, found.predicted)
    assert pytest.approx(np.array(expected)) == np.array(found.per_class()).T


def test_class_that_was_never_predicted_has_no_precision() -> None:
    precision, recall, f1, support = Scores(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]])).per_class()[1]
    assert np.isnan(precision)
    assert (recall, f1, support) == (0.0, 0.0, 1)


def test_mistakes_are_the_surest_wrong_rows_with_their_texts(view: View) -> None:
    found = mistakes(view, scores(view))
    assert len(found) == 25
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    assert all(one.label != one.predicted for one in found)
    assert all(f"number {one.row}," in one.text for one in found)
    assert max(s for s, right in zip(scores(view).confidence, scores(view).correct, strict=True) if not right) == (
        found[0].confidence
    )


def test_texts_of_other_data_are_not_shown(view: View) -> None:
    found = scores(view)
    other = Scores(found.labels[:-1], found.probabilities[:-1])
    assert {one.text for one in mistakes(view, other)} == {""}


def test_class_names_fall_back_to_numbers(view: View) -> None:
    assert class_names(view, 3) == ["positive", "neutral", "negative"]
    assert class_names(view, 2) == ["class 0", "class 1"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"test_labels": np.array([0, 9]), "test_probabilities": np.full((2, 3), 1 / 3)},
        {"test_labels": np.array([0]), "test_probabilities": np.full((2, 3), 1 / 3)},
        {"test_labels": np.array([0, 1]), "test_probabilities": np.ones(2)},
        {"test_labels": np.array([0, 1])},
        {"test_labels": np.array([{}, {}]), "test_probabilities": np.full((2, 3), 1 / 3)},
    ],
)
def test_predictions_that_do_not_fit_are_no_predictions(view: View, arrays: dict[str, np.ndarray]) -> None:
    np.savez(view.results.folder / "final" / "winner.npz", **arrays)  # type: ignore[arg-type]
    assert view.chosen is not None
    assert scores_of(view, view.chosen) is None
    assert "no longer in the run folder" in winner_section(view).empty


def test_most_confused_pairs_come_first(view: View) -> None:
    table = next(table for table in winner_section(view).tables if table.title == "What it takes for what")
    counts = [int(row[2]) for row in table.rows]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == int((~scores(view).correct).sum())
    assert all(row[0] != row[1] for row in table.rows)


def test_winner_section_of_a_perfect_model_has_no_errors(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=12, accuracy=2.0))
    titles = [table.title for table in winner_section(view).tables]
    assert titles == ["The final models on test, with 95 % intervals", "Each class on test"]
