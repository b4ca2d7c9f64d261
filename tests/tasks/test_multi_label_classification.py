"""Several labels a text: where the head begins, its loss, thresholds, baselines, and what is saved of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.spec.study import DataSpec, ModelSpec, StudySpec
from harness.stats.metric import score
from harness.tasks import task_of
from harness.tasks.encode import baselines, encoded
from harness.tasks.heads import fold
from harness.tasks.models import load_saved, quiet
from tests.tasks.tiny import architecture, config

TASK: Any = task_of("multi-label-classification")
WORDS = {"hot": "steam", "cold": "ice", "sweet": "sugar", "rare": "truffle"}
FAMILIES = ("bert", "roberta", "distilbert", "gpt2", "t5")


def rows(count: int = 150) -> list[dict[str, Any]]:
    found = []
    for at in range(count):
        labels = [name for place, name in enumerate(WORDS) if at % (2 * place + 2) == 0]
        found.append({"text": f"visit {at} {' and '.join(WORDS[name] for name in labels)} here", "labels": labels})
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("sets")
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows())), encoding="utf-8")
    spec = DataSpec(path=str(folder / "t.jsonl"))
    study = StudySpec(name="s", task=TASK.facts.name, data=spec, model=ModelSpec(checkpoint="x"))
    return prepare(study, folder / "cache")


def trial(family: str = "bert", **options: Any) -> Any:
    return config(TASK.facts.name, architecture=architecture(family)).model_copy(update={"task_options": options})


def model_of(data: PreparedData, family: str = "bert", **options: Any) -> Any:
    torch.manual_seed(0)
    with quiet():
        return TASK.build_model(trial(family, **options), data).eval()


def logits(model: Any, data: PreparedData, family: str = "bert") -> torch.Tensor:
    examples = encoded(data, trial(family), "train")
    with torch.no_grad():
        found: torch.Tensor = model(**TASK.collate(examples, np.arange(6))).logits
    return found


def shares(data: PreparedData) -> np.ndarray:
    return np.array([data.meta.counts["train"][name] for name in data.names]) / data.meta.rows["train"]


@pytest.mark.parametrize("family", FAMILIES[:-1])  # the logits of T5's own random head are as large
def test_head_begins_at_the_log_odds_of_the_training_rows(family: str, data: PreparedData) -> None:
    said = logits(model_of(data, family), data, family).sigmoid().mean(0).numpy()
    assert np.abs(said - shares(data)).max() < 0.15
    assert said[data.names.index("rare")] < 0.25 < said[data.names.index("hot")]


def test_weighted_loss_begins_where_it_is_smallest(data: PreparedData) -> None:
    said = logits(model_of(data, pos_weight="balanced"), data).sigmoid().mean(0).numpy()
    assert np.abs(said - 0.5).max() < 0.15


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_transformers_says_the_same_of_a_saved_model(family: str, data: PreparedData, tmp_path: Path) -> None:
    model = model_of(data, family)
    expected = logits(model, data, family)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    fold(model, state)
    with quiet():
        model.save_pretrained(tmp_path, state_dict=state)
        ours, plain = load_saved(tmp_path, TASK.auto), AutoModelForSequenceClassification.from_pretrained(tmp_path)
    mean = torch.tensor(model.config.target_mean) if family == "gpt2" else 0.0  # its head has no bias
    torch.testing.assert_close(logits(ours, data, family), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits(plain.eval(), data, family) + mean, expected, rtol=1e-5, atol=1e-5)
    assert plain.config.id2label == dict(enumerate(data.names))


@pytest.mark.parametrize("options", [{}, {"pos_weight": 3.0}, {"pos_weight": "balanced"}])
def test_loss_is_that_of_a_plain_loop(options: dict[str, Any], data: PreparedData) -> None:
    model, examples, chosen = model_of(data, **options), encoded(data, trial(), "train"), np.arange(8)
    loss = TASK.make_loss(trial(**options), data, examples, chosen, torch.device("cpu"))
    output = model(**TASK.collate(examples, chosen))
    ours = float(loss(output, TASK.targets(examples, chosen)).detach()) / loss.weight(chosen)
    named = data.frame("train")["labels"].tolist()
    true = torch.tensor(np.array([named[row] for row in chosen]), dtype=torch.float32)
    smoothed = (shares(data) * data.meta.rows["train"] + 0.5) / (data.meta.rows["train"] + 1)
    weight = options.get("pos_weight", 1.0)
    weights = torch.tensor((1 - smoothed) / smoothed if weight == "balanced" else [weight] * 4, dtype=torch.float32)
    plain = functional.binary_cross_entropy_with_logits(output.logits, true, pos_weight=weights)
    assert ours == pytest.approx(float(plain.detach()) * true.shape[1], abs=1e-5)


def test_without_weights_it_is_the_loss_of_transformers(data: PreparedData) -> None:
    model, examples, chosen = model_of(data), encoded(data, trial(), "train"), np.arange(8)
    loss = TASK.make_loss(trial(), data, examples, chosen, torch.device("cpu"))
    inputs, targets = TASK.collate(examples, chosen), TASK.targets(examples, chosen)
    ours = float(loss(model(**inputs), targets).detach()) / loss.weight(chosen)
    theirs = float(model(**inputs, labels=targets["label_sets"].float()).loss.detach()) * len(data.names)
    assert ours == pytest.approx(theirs, abs=1e-5)


def outputs_of(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    return {"probabilities": probabilities}


def test_thresholds_are_tuned_written_and_used(data: PreparedData) -> None:
    rng = np.random.default_rng(0)
    true = rng.random((400, 4)) < [0.5, 0.3, 0.2, 0.05]
    said = outputs_of(np.clip(0.3 * true + 0.4 * rng.random(true.shape), 0, 1) * [1, 1, 1, 0.4])
    f1 = {}
    for kind in ("half", "shared", "each"):
        settings = TASK.tuned(said, {"label_sets": true}, trial(thresholds=kind))
        thresholds = settings["label_thresholds"]
        assert len(thresholds) == 4
        assert len(set(thresholds)) == (4 if kind == "each" else 1)
        outputs = TASK.decided(said, settings)
        f1[kind] = [score(metric, outputs, {"label_sets": true}) for metric in TASK.facts.metrics[:2]]
        assert outputs["decisions"].tolist() == (said["probabilities"] >= thresholds).tolist()
        assert TASK.told(settings, data.names).startswith("A label is given from")
    assert f1["shared"][0] > f1["half"][0], "micro F1"
    assert f1["each"][1] > f1["shared"][1], "macro F1"


def test_baselines_learn_and_have_thresholds(data: PreparedData) -> None:
    fitted, targets = baselines(data, TASK.facts.name, None, ["validation", "test"])
    assert list(fitted) == ["label shares", "TF-IDF (word 1-2-grams) + one-vs-rest logistic regression"]
    shares, learned = (TASK.metrics(outputs["test"], targets["test"]) for outputs in fitted.values())
    assert learned["micro_f1"] > 0.9 > shares["micro_f1"] > 0.3
    assert learned["average_precision"] > 0.9 > shares["average_precision"]
    chance = TASK.chance(data)
    validation = TASK.metrics(fitted["label shares"]["validation"], targets["validation"])
    for name in ("micro_f1", "average_precision"):
        assert chance[name] == pytest.approx(validation[name], abs=1e-6)
    assert chance["exact_match"] >= validation["exact_match"]


def test_a_model_of_features_learns(data: PreparedData) -> None:
    true = {split: np.stack(data.frame(split)["labels"].tolist()) for split in ("train", "validation", "test")}
    features = {split: np.hstack([sets, sets[:, :1] * 0.1]).astype(np.float32) for split, sets in true.items()}
    others = {split: features[split] for split in ("validation", "test")}
    fitted = TASK.on_features(features["train"], {"label_sets": true["train"]}, others, data)
    assert TASK.metrics(fitted["test"], {"label_sets": true["test"]})["exact_match"] > 0.9


def test_a_model_that_always_says_the_same_is_told() -> None:
    true = np.array([[1, 0], [0, 1]])
    same = {"decisions": np.array([[True, False], [True, False]])}
    assert TASK.answer_warnings(same, {"label_sets": true}, ("a", "b")) == [
        "The model gives every test row the same labels: 'a'."
    ]
    assert TASK.answer_warnings({"decisions": true > 0}, {"label_sets": true}, ("a", "b")) == []


def test_prediction_is_the_set_with_the_probability_of_each_label() -> None:
    outputs = TASK.decided(outputs_of(np.array([[0.2, 0.9, 0.6]])), {"label_thresholds": [0.1, 0.5, 0.7]})
    assert TASK.predict(outputs, 0, ("a", "b", "c")) == {
        "labels": ["b", "a"],
        "probabilities": {"a": 0.2, "b": 0.9, "c": 0.6},
    }
