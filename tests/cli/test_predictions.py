"""What `harness predict` reads and prints, and where `--out` writes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.predictions import _values, lines_of_input
from harness.errors import InputError


def test_three_likeliest_classes_are_shown_whatever_their_names() -> None:
    probabilities = {"a": 0.05, "b": 0.1, "c": 0.02, "y": 0.2, "z": 0.63}
    prediction = {"label": "z", "probability": 0.63, "probabilities": probabilities}
    assert _values(prediction, ("label", "probability")) == [
        ("label", "z"), ("probability", 0.63), ("next", "y 0.200, b 0.100"),
    ]  # fmt: skip


def standard_input(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def test_dash_reads_a_text_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", standard_input("\ufeffone\n\n zwei \u00fc\r\nthree".encode()))
    assert lines_of_input() == ["one", "", " zwei \u00fc", "three"]


@pytest.mark.parametrize(("content", "message"), [(b"\n \n", "has no text"), (b"caf\xe9", "not UTF-8")])
def test_dash_refuses(monkeypatch: pytest.MonkeyPatch, content: bytes, message: str) -> None:
    monkeypatch.setattr(sys, "stdin", standard_input(content))
    with pytest.raises(InputError, match=message):
        lines_of_input()


def test_predict_of_standard_input(smoke_run: Path) -> None:
    command = ["predict", str(smoke_run / "best"), "-"]
    done = CliRunner().invoke(app, [*command, "--json"], input="a cat\n\na soup\n")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["text"] for row in rows] == ["a cat", "", "a soup"]
    assert [row["label"] is None for row in rows] == [False, True, False]
    assert done.stderr == "text 2 of 3 is empty: no text to predict from\n"
    told = CliRunner().invoke(app, command, input="\na cat\n").stdout.splitlines()
    assert len(told) == 3 + told[1].count("─") // max(1, told[1].count("─")), "a header, maybe a ruler, and two lines"
    assert told[-1].endswith("a cat")


def test_predict_names_empty_texts(smoke_run: Path) -> None:
    done = CliRunner().invoke(app, ["predict", str(smoke_run / "best"), "a cat", " ", "--json"])
    assert done.exit_code == 0, done.output
    assert done.stderr == "text 2 of 2 is empty: no text to predict from\n"
    assert len(json.loads(done.stdout)) == 2
    none = CliRunner().invoke(app, ["predict", str(smoke_run / "best"), "", " "])
    assert (none.exit_code, none.stderr) == (2, "error: nothing to predict: all texts are empty\n")


def test_predict_of_a_table_with_labels_is_scored_beside_it(smoke_run: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,label\na cat,animal\na soup,food\nrain,\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["predict", str(smoke_run / "best"), "--csv", str(table)])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr.startswith("scored against column 'label' (2 of 3 rows have a value that the model knows): ")
    assert " accuracy " in done.stderr
    table.write_text("text,label\na cat,animal\n,food\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["predict", str(smoke_run / "best"), "--csv", str(table)])
    assert done.stdout.splitlines()[2] == ",food,,"
    assert "1 of 2 rows has an empty 'text': no text to predict from" in done.stderr
    assert "(1 of 2 rows have a text and a value that the model knows)" in done.stderr
    table.write_text("text\na cat\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["predict", str(smoke_run / "best"), "--csv", str(table)]).stderr == ""
