"""Predictions, scores and exports from Python, on the smoke study's winner."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import harness.api.models
from harness import evaluate, export, load, predict
from harness.errors import InputError, RunError
from harness.jobs.predict import open_export, predict_texts

TEXTS = ["a dog barks", "rain until noon", "two soups"]


@pytest.fixture(autouse=True)
def inside(folder: Path) -> None:
    """In an empty folder."""


def test_texts_have_the_predictions_of_the_command(smoke_run: Path) -> None:
    expected = predict_texts(open_export(smoke_run / "best"), [{"text": text} for text in TEXTS])
    assert predict(smoke_run / "best", TEXTS) == expected
    (alone,) = predict(load(smoke_run), TEXTS[0])
    assert alone["label"] == expected[0]["label"]
    assert alone["probability"] == pytest.approx(expected[0]["probability"], abs=1e-5)
    assert predict(smoke_run / "best", ["", TEXTS[0]])[0] == {"label": None, "probability": None}
    assert predict(smoke_run / "best", []) == []


def test_frame_keeps_its_rows_and_gets_columns(smoke_run: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": ["x", "y", "z"], "at": [1.5, 2.5, None]}, index=[7, 8, 9])
    found = predict(smoke_run / "best", frame)
    assert list(found.columns) == ["text", "label", "at", "predicted_label", "probability"]
    pd.testing.assert_frame_equal(found[["text", "label", "at"]], frame)
    assert list(found["predicted_label"]) == [each["label"] for each in predict(smoke_run / "best", TEXTS)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = predict(smoke_run / "best", tmp_path / "t.csv")
    assert list(read["predicted_label"]) == list(found["predicted_label"])


def test_note_on_a_frame_does_not_name_its_file(smoke_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(smoke_run / "best", pd.DataFrame({"review": TEXTS}))
    assert capsys.readouterr().err.startswith("the data frame: text is read from 'review'")


def test_table_without_the_texts_is_refused(smoke_run: Path) -> None:
    with pytest.raises(InputError, match="no column 'text', which the model was trained on"):
        predict(smoke_run / "best", pd.DataFrame({"stars": [1.5, 2.5]}))


def test_rows_of_a_model_of_pairs(smoke_run: Path) -> None:
    opened = open_export(smoke_run / "best")
    pairs = replace(opened, columns={"text": "question", "text_pair": "answer"})
    rows: Any = harness.api.models._rows
    assert rows(pairs, [("a", "b"), ["c", " "]]) == [{"text": "a", "text_pair": "b"}, None]
    with pytest.raises(InputError, match="wants pairs of texts"):
        rows(pairs, ["a"])
    with pytest.raises(InputError, match=r"texts\[0\] has 4 texts, and .* takes fewer in a row"):
        rows(pairs, [("a", "b", "c", "d")])
    with pytest.raises(InputError, match=r"texts\[1\] is neither a text nor a tuple of texts, but int"):
        rows(opened, ["a", 3])


def test_evaluation_of_a_frame(smoke_run: Path) -> None:
    labels = [each["label"] for each in predict(smoke_run / "best", TEXTS)]
    frame = pd.DataFrame({"text": TEXTS, "label": labels, "user": ["a", "a", "b"]})
    found = evaluate(load(smoke_run), frame)
    assert (found.metrics["accuracy"].value, found.num_rows, found.unit) == (1.0, 3, "")
    assert evaluate(smoke_run / "best", frame, by="user").unit == "user"
    assert set(found.test) >= {"accuracy"}


def test_export_of_the_winner(smoke_run: Path, tmp_path: Path) -> None:
    folder = export(load(smoke_run), tmp_path / "model", progress=False)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (folder, manifest["study"]) == (tmp_path / "model", "smoke")
    with pytest.raises(InputError, match="refit: 'everything' is unknown; allowed: train"):
        export(smoke_run, tmp_path / "other", refit="everything")  # type: ignore[arg-type]
    with pytest.raises(RunError, match="trained without an adapter"):
        export(smoke_run, tmp_path / "other", adapter=True, progress=False)
