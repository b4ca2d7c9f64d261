"""What the trivial baseline has without looking at a row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.data.prepared import PreparedData
from harness.tasks.classification import Classification
from harness.tasks.text_classification import TextClassification

TRAIN, VALIDATION = [50, 30, 15, 5], [40, 40, 15, 5]


def metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    return TextClassification().metrics({"probabilities": probabilities}, {"labels": labels})


def prepared(folder: Path, train: list[int], validation: list[int]) -> PreparedData:
    labels = [f"class {number}" for number in range(len(train))]
    counts = {
        split: dict(zip(labels, rows, strict=True)) for split, rows in (("train", train), ("validation", validation))
    }
    (folder / "meta.json").write_text(json.dumps({"labels": labels, "counts": counts}))
    return PreparedData(folder)


def test_trivial_metrics_are_those_of_a_constant_prediction(tmp_path: Path) -> None:
    found = TextClassification().chance(prepared(tmp_path, TRAIN, VALIDATION))
    labels = np.repeat(np.arange(4), VALIDATION)
    constant = metrics(labels, np.tile(np.array(TRAIN) / sum(TRAIN), (len(labels), 1)))
    for name in ("accuracy", "mcc", "roc_auc", "log_loss"):
        assert found[name] == pytest.approx(constant[name]), name
    assert found["macro_f1"] > constant["macro_f1"]


def test_trivial_macro_f1_is_that_of_guesses_by_share(tmp_path: Path) -> None:
    found = TextClassification().chance(prepared(tmp_path, TRAIN, VALIDATION))
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), np.array(VALIDATION) * 500)
    guesses = np.eye(4)[random.choice(4, size=len(labels), p=np.array(TRAIN) / sum(TRAIN))]
    assert found["macro_f1"] == pytest.approx(metrics(labels, guesses)["macro_f1"], abs=0.005)


def test_trivial_metrics_of_a_class_that_training_lacks(tmp_path: Path) -> None:
    found = TextClassification().chance(prepared(tmp_path, [5, 5, 0], [3, 3, 2]))
    assert found["accuracy"] == pytest.approx(3 / 8)
    assert np.isfinite(list(found.values())).all()


def test_majority_class_has_the_metrics_of_chance(tmp_path: Path) -> None:
    data = prepared(tmp_path, TRAIN, VALIDATION)
    train, validation = (pd.DataFrame({"label": np.repeat(np.arange(4), rows)}) for rows in (TRAIN, VALIDATION))
    [(name, outputs)] = Classification.baselines(TextClassification(), train, {"validation": validation}, data)
    assert name == "majority class"
    found = metrics(validation["label"].to_numpy(), np.asarray(outputs["validation"]["probabilities"]))
    chance = TextClassification().chance(data)
    for metric in ("accuracy", "mcc", "roc_auc", "log_loss"):
        assert found[metric] == pytest.approx(chance[metric]), metric
