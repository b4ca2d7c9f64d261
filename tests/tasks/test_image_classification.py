from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.prepared import PreparedData
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import quiet
from tests.tasks.tiny import VIT, config

TASK = task_of("image-classification")
TRIAL = config("image-classification", architecture=VIT)


def test_collate_scales_pixels(digits: PreparedData) -> None:
    examples = encoded(digits, TRIAL, "train")
    assert set(examples.lengths.tolist()) == {1}
    pixels = TASK.collate(examples, np.array([3, 0]))["pixel_values"]
    assert pixels.shape == (2, 1, 8, 8)
    assert pixels.dtype == torch.float32
    first = np.asarray(examples.fields["pixel_values"])[3, :, :, 0]
    np.testing.assert_allclose(pixels[0, 0].numpy(), first / 127.5 - 1, atol=1e-6)


@torch.no_grad()
def test_build_model_takes_size_and_channels_from_the_data(digits: PreparedData) -> None:
    torch.manual_seed(0)
    model = TASK.build_model(TRIAL, digits).eval()
    assert (model.config.image_size, model.config.num_channels) == (8, 1)
    examples = encoded(digits, TRIAL, "validation")
    logits = model(**TASK.collate(examples, np.arange(3))).logits
    assert logits.shape == (3, 10)
    alone = torch.cat([model(**TASK.collate(examples, np.array([at]))).logits for at in range(3)])
    torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-6)


def test_collate_fits_images_to_the_checkpoint(digits: PreparedData, tmp_path: Path) -> None:
    trial = config("image-classification", architecture=VIT | {"image_size": 16, "num_channels": 3})
    with quiet():
        TASK.build_model(trial, digits).save_pretrained(tmp_path)
    described = {"size": {"shortest_edge": 16}, "image_mean": [0.0, 0.5, 1.0], "image_std": [1.0, 1.0, 0.5]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(described), encoding="utf-8")
    own = config("image-classification", checkpoint=str(tmp_path), layers=1)
    pixels = TASK.collate(encoded(digits, own, "test"), np.arange(2))["pixel_values"]
    assert pixels.shape == (2, 3, 16, 16)
    torch.testing.assert_close(pixels[:, 1], pixels[:, 0] - 0.5)
    torch.testing.assert_close(pixels[:, 2], (pixels[:, 0] - 1) * 2)
    model = TASK.build_model(own, digits)
    assert model(pixel_values=pixels).logits.shape == (2, 10)
    assert model.config.num_hidden_layers == 1


def test_predict_inputs_encodes_as_training_did(digits: PreparedData, tmp_path: Path) -> None:
    with quiet():
        TASK.build_model(TRIAL, digits).save_pretrained(tmp_path)
    TASK.write_processor(TRIAL, digits, tmp_path)
    found = TASK.predict_inputs(digits.frame("test").to_dict("records"), tmp_path, 0)
    expected = encoded(digits, TRIAL, "test")
    rows = np.arange(5)
    torch.testing.assert_close(TASK.collate(found, rows), TASK.collate(expected, rows))


def test_baseline_on_digits(digits: PreparedData) -> None:
    frame = digits.frame("test")
    (majority, _), (name, found) = TASK.baselines(digits.frame("train"), {"test": frame}, digits)
    assert majority == "majority class"
    assert name == "logistic regression on pixels"
    assert found["test"]["probabilities"].shape == (180, 10)
    assert (found["test"]["probabilities"].argmax(1) == frame["label"]).mean() > 0.9


def test_show_draws_small_images_and_names_large_ones() -> None:
    assert TASK.show({"image": [[0, 255], [255, 28]]}) == " @\n@."
    assert TASK.show({"image": np.zeros((40, 50, 3)).tolist()}) == "image, 40 x 50 x 3"


@pytest.mark.shared
def test_real_backbone_takes_digits(digits: PreparedData) -> None:
    folder = Path(__file__).parents[3] / "shared" / "checkpoints" / "mobilenet_v2_0.35_224_imagenet"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    own = config("image-classification", checkpoint=str(folder))
    model = TASK.build_model(own, digits).eval()
    with torch.no_grad():
        assert model(**TASK.collate(encoded(digits, own, "test"), np.arange(2))).logits.shape == (2, 10)
