"""The simple model on a checkpoint's features: which rows and which features it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

from harness.data.encoded import by_row
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded, training_rows
from harness.tasks.models import quiet
from harness.training import features
from harness.training.features import feature_outputs
from tests.conftest import STUDIES
from tests.tasks.tiny import VIT, architecture, config

CPU = torch.device("cpu")
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_channels": 1}
Fitted = dict[str, Any]


def saved(
    folder: Path, data: PreparedData, architecture: dict[str, Any], task_name: str = "text-classification"
) -> str:
    """Writes a tiny random checkpoint, as a user's folder would be."""
    trial, task = config(task_name, architecture=architecture), task_of(task_name)
    torch.manual_seed(0)
    with quiet():
        task.build_model(trial, data).save_pretrained(folder)
    task.write_processor(trial, data, folder)
    return str(folder)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> Fitted:
    """What the tasks' simple models are fitted on, in place of fitting them."""
    arguments: Fitted = {}

    def keep(self: object, train_features: Any, train_targets: Any, features: Any, data: Any) -> dict[str, Any]:
        arguments.update(train=train_features, targets=train_targets, others=features)
        return {}

    for name in ("text-classification", "image-classification"):
        monkeypatch.setattr(type(task_of(name)), "on_features", keep)
    return arguments


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    spec = load_study(STUDIES / "digits.yaml")
    return prepare(spec, tmp_path_factory.mktemp("cache"))


@torch.no_grad()
def features_one_by_one(trial: TrialConfig, data: PreparedData, **settings: int) -> np.ndarray:
    """What plain transformers has for each validation row alone, where nothing is padded."""
    with quiet():
        whole = AutoModel.from_pretrained(trial.model.checkpoint, **settings).eval()
    encoder = whole.get_encoder() if whole.config.is_encoder_decoder else whole
    examples = encoded(data, trial, "validation")
    rows = [task_of(trial.task).collate(examples, np.array([row])) for row in range(len(examples))]
    return np.stack([encoder(**inputs).last_hidden_state[0].mean(0).numpy() for inputs in rows])


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2", "t5"])
def test_feature_of_a_text_is_the_mean_of_its_tokens(
    family: str, smoke_data: PreparedData, tmp_path: Path, fitted: Fitted
) -> None:
    trial = config(checkpoint=saved(tmp_path, smoke_data, architecture(family)))
    feature_outputs(trial, smoke_data, ["validation"], None, CPU)
    assert len(set(encoded(smoke_data, trial, "validation").lengths.tolist())) > 1
    np.testing.assert_allclose(
        fitted["others"]["validation"], features_one_by_one(trial, smoke_data), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("architecture", [VIT, RESNET])
@torch.no_grad()
def test_feature_of_an_image_is_what_its_backbone_pools(
    architecture: dict[str, Any], digits: PreparedData, tmp_path: Path, fitted: Fitted
) -> None:
    name = "image-classification"
    trial = config(name, checkpoint=saved(tmp_path, digits, architecture, name))
    feature_outputs(trial, digits, ["validation"], 8, CPU)
    with quiet():
        backbone = AutoModel.from_pretrained(tmp_path).eval()
    hidden = backbone(**task_of(name).collate(encoded(digits, trial, "validation"), np.arange(4))).last_hidden_state
    expected = hidden.mean(1) if architecture is VIT else hidden.mean((2, 3))
    np.testing.assert_allclose(fitted["others"]["validation"][:4], expected, rtol=1e-4, atol=1e-5)


def test_simple_model_has_the_rows_of_a_trial_without_copies(
    smoke_data: PreparedData, tmp_path: Path, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved(tmp_path, smoke_data, architecture("bert"))
    plain = config(checkpoint=folder, data={"train_rows": 20})
    augmented = config(checkpoint=folder, data={"augment": ["swap"]})
    targets = encoded(smoke_data, plain, "train").targets
    expected = np.asarray(by_row(targets, training_rows(smoke_data, plain))["labels"])
    for trial in (plain, augmented):
        feature_outputs(trial, smoke_data, ["validation"], 20, CPU)
        assert fitted["targets"]["labels"].tolist() == expected.tolist()
        assert len(fitted["train"]) == 20
    monkeypatch.setattr(features, "MAX_ROWS", 20)
    for num_rows in (None, 30):
        feature_outputs(plain, smoke_data, ["validation"], num_rows, CPU)
        assert fitted["targets"]["labels"].tolist() == expected.tolist()


def test_features_are_those_of_the_kept_layers_in_the_precision_of_the_trial(
    smoke_data: PreparedData, tmp_path: Path, fitted: Fitted
) -> None:
    trial = config(checkpoint=saved(tmp_path, smoke_data, architecture("bert")), layers=1)
    differences = {}
    for precision in ("fp32", "bf16"):
        feature_outputs(trial.in_precision(precision), smoke_data, ["validation"], 8, CPU)
        assert fitted["others"]["validation"].dtype == np.float32
        expected = features_one_by_one(trial, smoke_data, num_hidden_layers=1)
        differences[precision] = np.abs(fitted["others"]["validation"] - expected).max()
    assert differences["fp32"] < 1e-5
    assert 1e-4 < differences["bf16"] < 0.1
    with pytest.raises(InputError, match=r"training\.precision"):
        feature_outputs(trial.in_precision("auto"), smoke_data, ["validation"], 8, CPU)


def test_outputs_are_those_of_a_model(smoke_data: PreparedData, tmp_path: Path) -> None:
    trial = config(checkpoint=saved(tmp_path, smoke_data, architecture("bert")))
    outputs = feature_outputs(trial, smoke_data, ["validation", "test"], None, CPU)
    assert outputs is not None
    for split, found in outputs.items():
        probabilities = np.asarray(found["probabilities"])
        assert probabilities.shape == (smoke_data.meta.rows[split], len(smoke_data.names))
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_no_outputs_without_a_checkpoint_a_simple_model_or_finite_features(
    smoke_data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outputs(trial: TrialConfig) -> object:
        return feature_outputs(trial, smoke_data, ["test"], None, CPU)

    assert outputs(config(architecture=architecture("bert"))) is None
    trial = config(checkpoint=saved(tmp_path / "whole", smoke_data, architecture("bert")))
    with monkeypatch.context() as patch:
        patch.setattr(type(task_of(trial.task)), "features_baseline", "")
        assert outputs(trial) is None
    with quiet():
        broken = AutoModel.from_pretrained(tmp_path / "whole")
        broken.embeddings.LayerNorm.weight.data[0] = torch.nan
        broken.save_pretrained(tmp_path / "whole")
    assert outputs(trial) is None
