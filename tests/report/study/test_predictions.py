from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.answers import Answers, write_answers
from harness.records.final import DECISIONS, SHOWN, UNITS
from harness.report.kit.view import View
from harness.report.study.predictions import answers_of, compared, shown_rows, units_of, validation_answers
from harness.report.study.winner import winner_section
from tests.report.factory import make_results


@pytest.fixture
def view(tmp_path: Path) -> View:
    return View(make_results(tmp_path, trials=12))


@pytest.mark.parametrize(
    "arrays",
    [
        {"test_labels": np.array([0, 9]), "test_probabilities": np.full((2, 3), 1 / 3)},
        {"test_labels": np.array([0]), "test_probabilities": np.full((2, 3), 1 / 3)},
        {"test_labels": np.array([0, 1]), "test_probabilities": np.ones(2)},
        {"test_labels": np.array([0, 1])},
        {"test_labels": np.array([{}, {}]), "test_probabilities": np.full((2, 3), 1 / 3)},
        {"test/targets/labels": np.zeros(0, dtype=int), "test/outputs/probabilities": np.zeros((0, 3))},
        {"test/targets/numbers": np.zeros(2), "test/outputs/predictions": np.zeros(2)},
    ],
)
def test_predictions_that_do_not_fit_are_no_predictions(view: View, arrays: dict[str, np.ndarray]) -> None:
    np.savez(view.results.folder / "final" / "winner.npz", **arrays)  # type: ignore[arg-type]
    assert view.chosen is not None
    assert answers_of(view, view.chosen) is None
    assert "no longer in the run folder" in winner_section(view).empty


def test_predictions_of_the_version_before_are_shown_alike(view: View) -> None:
    assert view.chosen is not None
    now = {split: answers_of(view, view.chosen, split) for split in ("validation", "test")}
    before = winner_section(view)
    arrays: dict[str, np.ndarray] = {}
    for split, answers in now.items():
        assert answers is not None
        arrays |= {f"{split}_labels": np.asarray(answers.targets["labels"])}
        arrays |= {f"{split}_probabilities": np.asarray(answers.outputs["probabilities"])}
    np.savez(view.results.folder / view.chosen.predictions, allow_pickle=False, **arrays)
    assert winner_section(view) == before


def test_validation_predictions_are_found_beside_the_weights_too(view: View) -> None:
    number = next(record.number for record in view.completed if not view.roles(record.number))
    assert validation_answers(view, number) is None
    folder = view.results.folder / f"trials/{number}/weights"
    folder.mkdir(parents=True)
    written = Answers({"probabilities": np.eye(3)}, {"labels": np.arange(3)})
    write_answers(folder / "validation.npz", {"validation": written})
    trials = tuple(
        record.model_copy(update={"weights": f"trials/{number}/weights"}) if record.number == number else record
        for record in view.results.trials
    )
    found = validation_answers(View(replace(view.results, trials=trials)), number)
    assert found is not None
    assert found.same_targets(written)


def test_shown_rows_are_lines_without_control_characters(view: View) -> None:
    write_rows(view, ["two\nlines \x07 of a text", "x" * 2000, "\u202eright to left"])
    assert [len(row) for row in shown_rows(view, 3)] == [len("two lines of a text"), 600, len("right to left")]


@pytest.mark.parametrize("content", ["[1, 2]", '{"0": "text", "1": "text"}', '["only one"]', "null", "torn", "\udcff"])
def test_rows_of_other_data_are_not_shown(view: View, content: str) -> None:
    write_rows(view, ["one", "two"])
    assert list(shown_rows(view, 2)) == ["one", "two"]
    (view.results.folder / DECISIONS / SHOWN).write_bytes(content.encode("utf-8", errors="surrogateescape"))
    assert not shown_rows(view, 2)


def write_rows(view: View, rows: list[str]) -> None:
    (view.results.folder / DECISIONS / SHOWN).write_text(json.dumps(rows), encoding="utf-8")


def test_units_are_drawn_where_they_were_kept(view: View) -> None:
    assert units_of(view, "test") is None
    rows = np.repeat([0, 1, 2], 20)
    first = Answers({"probabilities": np.eye(3)[rows]}, {"labels": rows})
    second = Answers({"probabilities": np.eye(3)[np.where(rows == 2, 0, rows)]}, {"labels": rows})
    by_row = compared(view.judge, first, second)
    (view.results.folder / DECISIONS / UNITS).write_text(json.dumps({"test": rows.tolist()}), encoding="utf-8")
    by_unit = compared(view.judge, first, second, units_of(view, "test"))
    assert by_row is not None
    assert by_unit is not None
    assert by_row.mcnemar_p is not None and not by_row.tie
    assert by_unit.mcnemar_p is None and by_unit.tie  # all that differs is in one unit of three
    assert compared(view.judge, first, second, np.zeros(3, dtype=int)) == by_row  # of other rows


@pytest.mark.parametrize("content", ["[]", "{", '{"test": ["a"]}', '{"test": []}'])
def test_units_that_cannot_be_read_are_none(view: View, content: str) -> None:
    (view.results.folder / DECISIONS / UNITS).write_text(content, encoding="utf-8")
    assert units_of(view, "test") is None
