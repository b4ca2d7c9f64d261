"""What the trivial baseline has without looking at a row, and warnings on rows and answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.data.prepared import PreparedData
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from harness.tasks.classification import Classification
from harness.tasks.text_classification import TextClassification
from tests.conftest import STUDIES
from tests.tasks.tiny import config

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


def trial(class_weights: str = "none", **changes: object) -> TrialConfig:
    default = config(checkpoint="x")
    training = default.training.model_copy(update={"class_weights": class_weights})
    return default.model_copy(update={"training": training, **changes})


def test_data_with_one_large_class_is_warned_of(tmp_path: Path) -> None:
    data = prepared(tmp_path, [73, 20, 7], [7, 2, 1])
    ranks = "search.objectives=[macro_f1] ranks by all classes alike"
    weighs = "training.class_weights=balanced gives rare classes more weight"
    begin = "73 % of the training rows are 'class 0', so a model can do well by answering that class alone: "
    warnings = TextClassification().data_warnings
    assert warnings(trial(), data) == [f"{begin}{ranks}, {weighs}"]
    for objective in ("macro_f1", "mcc"):
        assert warnings(trial(objectives=("accuracy", objective)), data) == [begin + weighs]
    assert warnings(trial("balanced"), data) == warnings(trial(params={"class_weights": "none"}), data)
    assert warnings(trial("balanced"), data) == [begin + ranks]
    assert warnings(trial("balanced", objectives=("macro_f1",)), data) == []
    assert warnings(trial(objectives=("log_loss",)), data) == [f"{begin}{ranks}, {weighs}"]


def test_advice_on_data_is_a_study_that_can_be_run(tmp_path: Path) -> None:
    [warning] = TextClassification().data_warnings(trial(), prepared(tmp_path, [73, 27], [5, 5]))
    changes = [word for word in warning.split() if "=" in word]
    spec = load_study(STUDIES / "smoke.yaml", changes)
    assert spec.search.objectives == ("macro_f1",)
    assert spec.training.class_weights == "balanced"


def test_data_without_a_large_class_is_not_warned_of(tmp_path: Path) -> None:
    assert TextClassification().data_warnings(trial(), prepared(tmp_path, [60, 40], [5, 5])) == []


def test_answer_of_one_class_is_warned_of() -> None:
    def warnings(probabilities: list[list[float]], labels: list[int]) -> list[str]:
        outputs, targets = {"probabilities": np.array(probabilities)}, {"labels": np.array(labels)}
        return TextClassification().answer_warnings(outputs, targets, ("bad", "neutral"))

    constant = [[0.4, 0.6], [0.1, 0.9]]
    assert warnings(constant, [0, 1]) == ["The model answers 'neutral' for every test row."]
    assert warnings(constant, [1, 1]) == []
    assert warnings([[0.4, 0.6], [0.9, 0.1]], [0, 1]) == []


def test_majority_class_has_the_metrics_of_chance(tmp_path: Path) -> None:
    data = prepared(tmp_path, TRAIN, VALIDATION)
    train, validation = (pd.DataFrame({"label": np.repeat(np.arange(4), rows)}) for rows in (TRAIN, VALIDATION))
    [(name, outputs)] = Classification.baselines(TextClassification(), train, {"validation": validation}, data)
    assert name == "majority class"
    found = metrics(validation["label"].to_numpy(), np.asarray(outputs["validation"]["probabilities"]))
    chance = TextClassification().chance(data)
    for metric in ("accuracy", "mcc", "roc_auc", "log_loss"):
        assert found[metric] == pytest.approx(chance[metric]), metric
