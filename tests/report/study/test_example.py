"""The command that tries the exported model on a row of the study's own test split."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.answers import Answers, write_answers
from harness.records.final import DECISIONS, SHOWN
from harness.report.kit.view import View
from harness.report.study.example import example
from harness.report.study.predictions import answers_of
from tests.report.factory import make_results


@pytest.fixture
def view(tmp_path: Path) -> View:
    return View(make_results(tmp_path, trials=12, rows=5))


def shown(view: View, rows: list[str]) -> None:
    (view.results.folder / DECISIONS / SHOWN).write_text(json.dumps(rows), encoding="utf-8")


def text_of(view: View) -> str:
    found = example(view)
    assert found is not None
    return shlex.split(found.command)[-1]


def test_first_row_of_ordinary_length_is_taken(view: View) -> None:
    rows = ["x" * 200, "no", "It's of ordinary length", "a longer row, but not by much", "another row, longer still"]
    shown(view, rows)
    assert text_of(view) == "It's of ordinary length"


def test_command_is_one_that_a_person_can_read(view: View) -> None:
    shown(view, ["The lid doesn't close", 'it\'s "new", they say', "x" * 200, "no", "no"])
    found = example(view)
    assert found is not None and found.command.endswith(""" "The lid doesn't close\"""")
    shown(view, ['it\'s "new", they say', 'they say it is "new" now', "x" * 200, "no", "no"])
    assert text_of(view) == 'they say it is "new" now'
    shown(view, ['it\'s $5 and "new"'] * 5)
    assert text_of(view) == 'it\'s $5 and "new"', "nothing else is there"


@pytest.mark.parametrize("right", [True, False])
def test_row_is_taken_whether_the_model_is_right_or_wrong_and_its_label_is_told(view: View, right: bool) -> None:
    assert view.chosen is not None
    answers = answers_of(view, view.chosen)
    assert answers is not None
    labels = np.asarray(answers.targets["labels"])
    said = np.eye(3)[labels if right else (labels + 1) % 3]
    path = view.results.folder / view.chosen.predictions
    write_answers(path, {"test": Answers({"probabilities": said}, answers.targets)})
    shown(view, ["of one length"] * 5)
    found = example(view)
    assert found is not None
    name = ("positive", "neutral", "negative")[labels[0]]
    assert found.truth == f"label '{name}'"


def test_number_is_told(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=12, task="text-regression"))
    found = example(view)
    assert view.chosen is not None and found is not None
    answers = answers_of(view, view.chosen)
    assert answers is not None
    assert any(found.truth == f"number {number:.6g}" for number in np.asarray(answers.targets["numbers"]))


@pytest.mark.parametrize("rows", [["x" * 301] * 5, ["-a row like an option"] * 5, [""] * 5])
def test_rows_that_do_not_fit_into_a_command_leave_a_table(view: View, rows: list[str]) -> None:
    shown(view, rows)
    found = example(view)
    assert found is not None
    assert found.command.endswith("/best --csv FILE.csv")
    assert found.truth == ""


@pytest.fixture
def pairs(view: View) -> View:
    manifest = view.results.manifest
    data = manifest.data.model_copy(update={"columns": {"text": "question", "text_pair": "answer", "label": "label"}})
    return View(replace(view.results, manifest=manifest.model_copy(update={"data": data})))


def test_both_texts_of_a_pair_are_given(pairs: View) -> None:
    rows = [["why?", ""], ["-n", "no"], ["x" * 300, "no"], ["Who's there?", "the cat"], ["a", "b"]]
    (pairs.results.folder / DECISIONS / SHOWN).write_text(json.dumps(rows), encoding="utf-8")
    found = example(pairs)
    assert found is not None and found.truth
    assert shlex.split(found.command)[-2:] == ["Who's there?", "the cat"]


def test_pairs_that_a_version_before_kept_as_one_text_leave_a_table(pairs: View) -> None:
    shown(pairs, ["why? because"] * 5)
    found = example(pairs)
    assert found is not None and found.command.endswith("/best --csv FILE.csv")


def test_without_an_exported_model_there_is_nothing_to_try(tmp_path: Path) -> None:
    assert example(View(make_results(tmp_path, trials=6, final=False))) is None
