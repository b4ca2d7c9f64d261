"""`harness evaluate` on a real, tiny export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.jobs.predict import open_export, predict_texts
from harness.stats.intervals import wilson
from tests.cli.test_commands import harness

TEXTS = ("a dog barks", "rain until noon", "two soups", "a cold wind", "the old cat", "salt and bread")


def predicted(folder: Path) -> list[str]:
    return [found["label"] for found in predict_texts(open_export(folder), [{"text": text} for text in TEXTS])]


def labelled(path: Path, folder: Path, *, num_right: int) -> Path:
    """A table in which the model is right on `num_right` rows, with a user for every two rows."""
    names = open_export(folder).names
    labels = [
        given if row < num_right else next(name for name in names if name != given)
        for row, given in enumerate(predicted(folder))
    ]
    rows = [f"{text},{label},u{row // 2}" for row, (text, label) in enumerate(zip(TEXTS, labels, strict=True))]
    path.write_text("\n".join(["text,label,user", *rows]) + "\n", encoding="utf-8")
    return path


def test_scores_are_those_of_the_rows_with_wilsons_interval(smoke_run: Path, tmp_path: Path) -> None:
    table = labelled(tmp_path / "t.csv", smoke_run / "best", num_right=4)
    found = json.loads(harness("evaluate", smoke_run / "best", table, "--json").stdout)
    expected = wilson(4 / 6, 6)
    assert found["metrics"]["accuracy"] == pytest.approx(
        {"value": 4 / 6, "low": expected.low, "high": expected.high}, abs=1e-9
    )
    assert (found["rows"], found["scored_rows"], found["column"], found["resampled_by"]) == (6, 6, "label", None)
    assert set(found["test"]) >= {"accuracy", "log_loss"}


def test_by_draws_units(smoke_run: Path, tmp_path: Path) -> None:
    table = labelled(tmp_path / "t.csv", smoke_run / "best", num_right=4)
    found = json.loads(harness("evaluate", smoke_run / "best", table, "--json", "--by", "user").stdout)
    rows = json.loads(harness("evaluate", smoke_run / "best", table, "--json").stdout)
    widths = [each["metrics"]["accuracy"]["high"] - each["metrics"]["accuracy"]["low"] for each in (found, rows)]
    assert widths[0] > widths[1]  # a user's rows are all right or all wrong
    assert found["resampled_by"] == "user"


def test_rows_that_cannot_be_scored_are_told_and_left_out(smoke_run: Path, tmp_path: Path) -> None:
    table = labelled(tmp_path / "t.csv", smoke_run / "best", num_right=6)
    table.write_text(table.read_text("utf-8") + "a bird,plant,u9\n,animal,u9\n", encoding="utf-8")
    done = harness("evaluate", smoke_run / "best", table)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"6 of 8 rows of {table}, against column 'label'")
    assert "1 of 8 rows has an empty 'text'" in done.stderr
    assert "'label': 1 row has a value that the model does not know: 'plant' (1)" in done.stderr


def test_requirement_is_a_gate(smoke_run: Path, tmp_path: Path) -> None:
    table = labelled(tmp_path / "t.csv", smoke_run / "best", num_right=4)
    done = harness("evaluate", smoke_run / "best", table, "--require", "accuracy >= 60%")
    assert (done.exit_code, done.stderr) == (0, f"required accuracy >= 60%: 66.7\u00a0% on {table}\n")
    done = harness("evaluate", smoke_run / "best", table, "--require", "accuracy.low >= 0.6")
    assert done.exit_code == 1
    assert f"required accuracy.low >= 0.6, but the model has 30.0 % on {table}" in done.stderr
    done = harness("evaluate", smoke_run / "best", table, "--require", "accurracy >= 0.6")
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text,label\n,animal\n", "t.csv: no row has a text to predict from"),
        (
            "text,label\na cat,plant\n",
            "no row can be scored: no row has a value that the model knows in column 'label'",
        ),
        ("text\na cat\n", "no column 'label', which the model was trained to predict (columns: 'text')"),
    ],
)
def test_table_without_anything_to_score_is_refused(smoke_run: Path, tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(rows, encoding="utf-8")
    done = harness("evaluate", smoke_run / "best", tmp_path / "t.csv")
    assert done.exit_code == 2
    assert message in done.stderr


def test_line_says_whether_the_table_differs_from_the_test_split(smoke_run: Path, tmp_path: Path) -> None:
    table = labelled(tmp_path / "t.csv", smoke_run / "best", num_right=2)
    lines = harness("evaluate", smoke_run / "best", table).stdout.splitlines()
    assert lines[-1] == "accuracy is not shown to differ from that of the test split"
    text = table.read_text("utf-8").split("\n", 1)
    label = predicted(smoke_run / "best")[0]
    table.write_text(text[0] + "\n" + f"{TEXTS[0]},{label},u\n" * 200, encoding="utf-8")
    lines = harness("evaluate", smoke_run / "best", table).stdout.splitlines()
    assert lines[-1] == "accuracy is better than on the test split, by more than chance explains"
