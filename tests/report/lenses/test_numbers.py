from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.figures import Figure
from harness.report.kit.sections import Table
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS, Findings
from harness.report.lenses.number_errors import NumberErrors
from harness.report.lenses.numbers import Numbers
from harness.report.study.page import write_report
from harness.report.study.winner import winner_section
from tests.report.factory import make_results

TRUE = np.array([1.0, 2.0, 3.0, 4.0])
PREDICTED = np.array([1.5, 2.0, 2.0, 7.0])
TEXTS = ("one", "two", "three", "four")


Look = Callable[..., Findings]


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """The lens on a study of whatever kind, which it asks for the column's name alone."""
    view = View(make_results(tmp_path_factory.mktemp("results"), trials=2))

    def look(answers: Answers, texts: Sequence[str] = ()) -> Findings:
        assert Numbers().fits(answers)
        return Numbers().look(view, answers, texts)

    return look


def said(predicted: Any, true: Any) -> Answers:
    return Answers({"predictions": np.asarray(predicted)}, {"numbers": np.asarray(true)})


def points(figure: Figure) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The rows that a figure draws, and where."""
    trace = figure.data[1]
    return trace["customdata"], np.array(trace["x"]), np.array(trace["y"])


def captions(findings: Findings) -> tuple[str, str]:
    first, second = findings.figures
    return first.alt, second.alt


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in table.rows]


def test_figures_show_each_row_where_it_is(look: Look) -> None:
    truth, residuals = look(said(PREDICTED, TRUE), TEXTS).figures
    rows, x, y = points(truth)
    assert (rows, x.tolist(), y.tolist()) == ([0, 1, 2, 3], TRUE.tolist(), PREDICTED.tolist())
    rows, x, y = points(residuals)
    assert (rows, x.tolist(), y.tolist()) == ([0, 1, 2, 3], PREDICTED.tolist(), [0.5, 0.0, -1.0, 3.0])
    diagonal = truth.data[0]
    assert diagonal["x"] == diagonal["y"] == truth.layout["xaxis"]["range"] == truth.layout["yaxis"]["range"]
    assert diagonal["x"][0] < 1
    assert diagonal["x"][1] > 7
    assert residuals.data[0]["y"] == [0.0, 0.0]


def test_captions_of_four_rows_are_true(look: Look) -> None:
    of_predictions, of_errors = captions(look(said(PREDICTED, TRUE)))
    assert of_predictions == "Of 4 rows half are within 0.500 of the truth, nine in ten within 3.00."
    spread = np.std([0.5, 0.0, -1.0, 3.0], ddof=1)
    assert of_errors == f"Mean error +0.625, standard deviation {spread:.2f}."


def test_worst_rows_come_first_with_their_texts(look: Look) -> None:
    (table,) = look(said(PREDICTED, TRUE), TEXTS).tables
    assert table.title == "The 3 rows with the largest errors", "a row without an error is none of them"
    assert cells(table) == [
        ["3", "4.00", "7.00", "+3.00", "four"],
        ["2", "3.00", "2.00", "−1.00", "three"],
        ["0", "1.00", "1.50", "+0.50", "one"],
    ]
    assert table.caption == ""
    (without,) = look(said(PREDICTED, TRUE)).tables
    assert without.caption == NO_ROWS
    assert cells(without) == [row[:4] for row in cells(table)]


@pytest.mark.parametrize(
    ("scale", "largest"), [(1e-9, ["4e−09", "7e−09", "+3e−09"]), (1e15, ["4e+15", "7e+15", "+3e+15"])]
)
def test_worst_rows_of_tiny_and_huge_numbers_can_be_read(look: Look, scale: float, largest: list[str]) -> None:
    (table,) = look(said(PREDICTED * scale, TRUE * scale)).tables
    assert cells(table)[0][1:] == largest


@example([(0.0, 1.3e-307)])
@example([(0.0, 1.2e-38), (0.0, 1.2e-38)])
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=60))
def test_captions_hold_for_any_rows(look: Look, pairs: list[tuple[float, float]]) -> None:
    """As far as they are written: of very small numbers two digits."""
    predicted, true = np.array(pairs).T
    errors = np.abs(predicted - true)
    of_predictions, of_errors = captions(look(said(predicted, true)))
    if found := re.search(
        r"half are within ([\d.,e-]+) of the truth, nine in ten within ([\d.,e-]+)\.$", of_predictions
    ):
        half, most = (float(text.replace(",", "")) for text in found.groups())
        assert np.mean(errors <= half * 1.05) >= 0.5
        assert np.mean(errors >= half * 0.95) >= 0.5
        assert np.mean(errors <= most * 1.05) >= 0.9
    else:
        assert len(pairs) == 1 or not errors.any()
    if found := re.search(r"Mean error ([+−]?)([\d.,e-]+),", of_errors):
        mean = float(found[2].replace(",", "")) * (-1 if found[1] == "−" else 1)
        assert mean == pytest.approx(float((predicted - true).mean()), rel=0.05, abs=1e-9 * float(errors.max()))
    drawn, _, _ = points(look(said(predicted, true)).figures[0])
    assert drawn == list(range(len(pairs)))


def test_caption_tells_of_a_direction_at_both_ends(look: Look) -> None:
    true = np.linspace(0, 10, 60)
    _, of_errors = captions(look(said(5 + (true - 5) / 2, true)))  # drawn to the middle
    assert of_errors.startswith("Mean error 0, standard deviation "), "rounding is no direction"
    low, high = re.findall(r"([+−][\d.]+) in", of_errors)
    assert low[0] == "+"
    assert high[0] == "−"


def test_equal_predictions_are_named(look: Look) -> None:
    findings = look(said(np.full(50, 2.5), np.linspace(0, 5, 50)))
    of_predictions, of_errors = (figure.alt for figure in findings.figures)
    assert of_predictions.startswith("Every row gets the same prediction, 2.500. Of 50 rows half are within ")
    assert "third" not in of_errors, "no rows have lower predictions than others"
    assert len(findings.tables[0].rows) == 25
    assert look(said([3.0, 3.0], [3.0, 3.0])).tables == ()


def test_exact_predictions_have_no_worst_rows(look: Look) -> None:
    findings = look(said(TRUE, TRUE), TEXTS)
    assert findings.tables == ()
    assert findings.figures[0].alt == "All 4 rows are predicted exactly."
    assert findings.figures[1].alt == "Mean error 0, standard deviation 0."


def test_one_row_is_told_as_one(look: Look) -> None:
    findings = look(said([2.5], [3.0]), ["the only text"])
    assert [figure.alt for figure in findings.figures] == [
        "The one row is predicted as 2.500; it is 3.000.", "The one error is −0.500.",
    ]  # fmt: skip
    (table,) = findings.tables
    assert table.title == "The one row with an error"
    assert cells(table) == [["0", "3.000", "2.500", "−0.500", "the only text"]]
    low, high = findings.figures[0].layout["xaxis"]["range"]
    assert low < 2.5 < 3 < high
    (same,) = {tuple(figure.layout["xaxis"]["range"]) for figure in look(said([0.0], [0.0])).figures[:1]}
    assert same == (-1.0, 1.0), "the axis has a width where there is one value"


def test_rows_without_a_finite_prediction_are_counted_and_left_out(look: Look) -> None:
    predicted = [1.5, math.nan, 2.0, math.inf, 1e308]
    findings = look(said(predicted, [1.0, 2.0, 3.0, 4.0, -1e308]), ("a", "b", "c", "d", "e"))
    for figure in findings.figures:
        assert points(figure)[0] == [0, 2]
        assert figure.note == "3 rows have no finite prediction and cannot be drawn."
    assert [row[0] for row in cells(findings.tables[0])] == ["2", "0"]
    assert findings.figures[0].alt.startswith("Of 2 rows")
    one = look(said([1.5, math.nan], [1.0, 2.0]))
    assert one.figures[0].note == "1 row has no finite prediction and cannot be drawn."


def test_predictions_that_are_all_nan_are_said_to_be(look: Look) -> None:
    findings = look(said([math.nan, math.nan], [1.0, 2.0]))
    assert findings == Findings(empty="The model's prediction is a finite number for none of the 2 test rows.")


def test_of_many_rows_the_worst_are_drawn(look: Look) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=9_001)
    answers = said(true + rng.normal(size=9_001), true)
    errors = NumberErrors.of(answers)
    findings = look(answers)
    for figure in findings.figures:
        rows, _, _ = points(figure)
        assert len(rows) == len(set(rows)) == 2000
        assert {int(row[0]) for row in findings.tables[0].rows} == set(errors.worst.tolist()) <= set(rows)
        assert max(np.diff(sorted(rows))) < 12, "the others are spread over the split"
        assert figure.note == ("Shown are 2,000 of 9,001 rows: the 25 largest errors, and every so many of the others.")
    largest = np.sort(np.abs(errors.error))[::-1][:25]
    assert np.abs(errors.error[errors.worst]).tolist() == largest.tolist()


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        ({"predictions": np.ones((2, 1))}, {"numbers": np.ones(2)}),
        ({"predictions": np.ones(2)}, {"numbers": np.array(["1", "2"])}),
        ({"predictions": np.ones(2)}, {"labels": np.ones(2)}),
        ({"probabilities": np.ones(2)}, {"numbers": np.ones(2)}),
        ({"predictions": Ragged(values=np.ones(2), offsets=np.array([0, 1, 2]))}, {"numbers": np.ones(2)}),
    ],
)
def test_arrays_of_other_kinds_do_not_fit(outputs: dict[str, Any], targets: dict[str, Any]) -> None:
    assert not Numbers().fits(Answers(outputs, targets))
    assert Numbers().fits(said(np.ones(2, dtype=np.float32), np.array([1, 2])))


def test_page_of_a_task_with_numbers(tmp_path: Path) -> None:
    """Names of columns are foreign text; intervals and comparisons are those of the task's own metrics."""
    results = make_results(tmp_path, task="text-regression", trials=12)
    data = results.manifest.data.model_copy(update={"columns": {"number": "<b>score</b>"}})
    results = replace(results, manifest=results.manifest.model_copy(update={"data": data}))
    section = winner_section(View(results))
    assert [figure.key for figure in section.figures] == ["predicted-true", "residuals", "seeds"]
    assert section.figures[0].layout["xaxis"]["title"]["text"] == "true &lt;b&gt;score&lt;/b&gt;"
    assert section.tables[1].title == "The 25 rows with the largest errors"
    assert all(f"number {row[0]}," in row[4] for row in section.tables[1].rows)
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert Numbers.lead in page
    assert "Data: rows of each split" in page
    for word in ("Confusion", "accuracy", "nats", "macro F1"):
        assert word not in page.partition("<script>")[0], word
