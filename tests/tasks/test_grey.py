from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import load_saved
from harness.tasks.pictures.grey import GREY, widen
from harness.training.model import write_model
from harness.training.weights import FlatWeights
from tests.tasks.tiny import VIT, config

TASK = task_of("image-classification")
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}


def save(trial: TrialConfig, data: PreparedData, folder: Path) -> torch.nn.Module:
    """Writes the model of a trial and its processor, as an export has them; returns the model."""
    torch.manual_seed(0)
    model = TASK.build_model(trial, data)
    write_model(model, FlatWeights(model, torch.float32, {}), None, 1.0, folder)
    TASK.write_processor(trial, data, folder)
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("architecture", [VIT, RESNET], ids=["vit", "resnet"])
def test_a_grey_model_is_saved_in_colour_and_restored_exactly(
    architecture: dict[str, object], digits: PreparedData, tmp_path: Path
) -> None:
    trial = config("image-classification", architecture=architecture)
    model = save(trial, digits, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["num_channels"] == 3
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["image_mean"] == [0.5] * 3
    restored = load_saved(tmp_path, TASK.auto).eval()
    assert restored.config.num_channels == 1
    inputs = TASK.collate(encoded(digits, trial, "test"), np.arange(4))
    torch.testing.assert_close(restored(**inputs).logits, model(**inputs).logits, rtol=0, atol=0)
    pixels = digits.frame("test").to_dict("records")[:4]
    own = TASK.collate(TASK.predict_inputs(pixels, tmp_path, 0), np.arange(4))
    torch.testing.assert_close(own, inputs, rtol=0, atol=0)


@torch.no_grad()
def test_plain_transformers_opens_a_grey_picture(digits: PreparedData, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    from transformers import pipeline

    trial = config("image-classification", architecture=VIT)
    model = save(trial, digits, tmp_path)
    examples = encoded(digits, trial, "test")
    classify = pipeline("image-classification", model=str(tmp_path), device="cpu", top_k=10)
    for row in range(3):
        picture = image.fromarray(np.asarray(examples.fields["pixel_values"])[row, :, :, 0])
        expected = model(**TASK.collate(examples, np.array([row]))).logits.softmax(-1)[0]
        scores = {part["label"]: part["score"] for part in classify(picture)}
        assert scores == pytest.approx(dict(zip(digits.names, expected.tolist(), strict=True)), abs=1e-5)


def test_an_export_is_a_checkpoint_of_colour_images(digits: PreparedData, tmp_path: Path) -> None:
    save(config("image-classification", architecture=VIT), digits, tmp_path)
    trial = config("image-classification", checkpoint=str(tmp_path))
    model = TASK.build_model(trial, digits)
    assert model.config.num_channels == 3
    assert not hasattr(model.config, GREY)
    assert TASK.collate(encoded(digits, trial, "test"), np.arange(2))["pixel_values"].shape[1] == 3


def test_widen_leaves_a_model_of_colours_as_it_is(digits: PreparedData) -> None:
    model = TASK.build_model(config("image-classification", architecture=VIT | {"num_channels": 3}), digits)
    state = dict(model.state_dict())
    widen(model, state, model.config)
    assert not hasattr(model.config, GREY)
    assert all(state[name] is tensor for name, tensor in model.state_dict(keep_vars=False).items() if name not in state)
