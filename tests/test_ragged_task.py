"""A task of a user's own with ragged targets and outputs, and without a target field, through every command."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.data.answers import read_answers
from harness.data.encoded import Ragged
from harness.records.results import load
from harness.testing.tasks import TINY_BERT, TaskContract

LIBRARY = Path(__file__).parent / "library"
TASK = "odd_tokens:OddTokens"
WORDS = ("red", "blue", "green", "white", "black", "grey", "pink")
STUDY = {
    "name": "odd",
    "task": TASK,
    "data": {"path": "texts.csv", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}},
    "model": {"checkpoint": "scratch", "architecture": TINY_BERT},
    "training": {"learning_rate": [1e-2, 2e-2], "batch_size": 8, "epochs": 6, "precision": "fp32"},
    "search": {"trials": 2, "pruner": {"name": "none"}},
    "confirm": None,
    "engine": {"name": "inline", "threads_per_slot": 1},
}


def texts() -> list[str]:
    return [" ".join(WORDS[(at * place) % 7] for place in range(1, 2 + at % 6)) + f" {at}" for at in range(80)]


@pytest.fixture(scope="module", autouse=True)
def library() -> Any:
    """The task as a module that may be imported, here and in the process that scores models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LIBRARY))
        patch.setenv("PYTHONPATH", str(LIBRARY), prepend=":")
        yield


class TestOddTokens(TaskContract):
    task_name = TASK

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"text": text} for text in texts()]


def harness(*words: str) -> str:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.long
def test_ragged_answers_go_through_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "texts.csv").write_text("\n".join(["text", *texts()]), encoding="utf-8")
    (tmp_path / "odd.yaml").write_text(json.dumps(STUDY), encoding="utf-8")
    harness("sweep", "odd.yaml")

    run, trust = tmp_path / "runs" / "odd", ("--trust", TASK)
    results = load(run)
    assert results.final is not None
    winner = results.final.models[0]
    bounds = winner.test["wrong"]
    assert 0 <= bounds.low <= bounds.value <= bounds.high < 0.4, "it has learned something"
    answers = read_answers(run / winner.predictions, "test")
    odd = answers.outputs["odd"]
    assert isinstance(odd, Ragged)
    assert len(set(np.diff(odd.offsets).tolist())) > 2, "rows have different lengths"

    harness("report", "runs/odd")
    assert "wrong tokens" in (tmp_path / "reports" / "odd" / "summary.md").read_text(encoding="utf-8")
    harness("export", "runs/odd", "--trial", "0", "--to", "model", *trust)
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert not re.search("label_smoothing|class_weights", card), "its loss has neither"
    said = json.loads(harness("predict", "model", "red blue", "--json", *trust))
    assert "odd" in harness("predict", "model", "red blue", *trust)
    harness("predict", "model", "--csv", "texts.csv", "--out", "said.csv", *trust)
    with (tmp_path / "said.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == texts()
    assert all(isinstance(json.loads(row["odd"]), list) for row in rows)
    assert isinstance(said[0]["odd"], list)
    harness("rerun", "runs/odd", "1", *trust)
