"""Pictures of files in image classification: what a processor's file says, families of models, sizes, batch norms."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.data.pictures.find import Picture
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.study import DataSpec, ModelSpec, StudySpec
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import load_saved, quiet
from harness.tasks.pictures.processor import rules_of
from harness.tasks.pictures.variation import variation_of
from harness.training.trainable.norms import follow_steps, settle_norms
from tests.data.pictures import made
from tests.tasks.tiny import config

TASK = task_of("image-classification")
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
FAMILIES: dict[str, dict[str, Any]] = {
    "vit": {"model_type": "vit", "image_size": 24, "patch_size": 8, **SMALL},
    "resnet": RESNET,
    "convnext": {"model_type": "convnext", "hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "swin": {"model_type": "swin", "image_size": 24, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2],
             "patch_size": 2, "window_size": 3},
    "mobilenet_v2": {"model_type": "mobilenet_v2", "image_size": 32, "depth_multiplier": 0.1},
    "efficientnet": {"model_type": "efficientnet", "image_size": 32, "width_coefficient": 0.1, "depth_coefficient": 0.1,
                     "hidden_dim": 128},
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """40 pictures of noise of several sizes, red or blue, in folders of classes."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(40):
        height, width = random.integers(20, 40, 2)
        pixels = random.integers(0, 150, (height, width, 3), dtype=np.uint8)
        pixels[..., 2 * (number % 2)] += 100
        path = folder / "data" / ("red", "blue")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "data" / "red" / "turned.png").write_bytes(made.turned(6))
    data = DataSpec(path=str(folder / "data"))
    return prepare(StudySpec(name="p", task="image-classification", data=data, model=ModelSpec(checkpoint="x")), folder)


def saved(folder: Path, pictures: PreparedData, architecture: dict[str, Any], processor: dict[str, Any]) -> str:
    torch.manual_seed(0)
    with quiet():
        model = TASK.build_model(config("image-classification", architecture=architecture), pictures)
        model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return str(folder)


def raw(picture: Picture) -> Image.Image:
    from harness.data.pictures.opened import open_picture

    return open_picture("", picture.read())


PROCESSORS: dict[str, dict[str, Any]] = {
    "bicubic": {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}, "resample": 3,
                "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]},
    "crop": {"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 28}, "do_center_crop": True,
             "resample": 2, "crop_size": {"height": 24, "width": 24}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    "no normalisation": {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24},
                         "resample": 2, "do_normalize": False},
    "no scale": {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}, "resample": 2,
                 "do_rescale": False, "image_mean": [127.0] * 3, "image_std": [128.0] * 3},
    "another scale": {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}, "resample": 0,
                      "rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
    "flipped channels": {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 28},
                         "do_center_crop": True, "crop_size": {"height": 24, "width": 24}, "resample": 2,
                         "do_flip_channel_order": True},
    "twice": {"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 24, "width": 24}, "resample": 3,
              "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4], "include_top": True, "do_center_crop": False,
              "rescale_offset": True, "rescale_factor": 1 / 127.5},
    "part of a picture": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 24},
                          "crop_pct": 0.875, "resample": 3, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
}  # fmt: skip


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processors_file_is_followed_and_written(name: str, pictures: PreparedData, tmp_path: Path) -> None:
    """Pixels are those that transformers makes by the checkpoint's file, and by the file of an export."""
    from transformers import AutoImageProcessor

    checkpoint = saved(tmp_path / "checkpoint", pictures, RESNET, PROCESSORS[name])
    trial, frame = config("image-classification", checkpoint=checkpoint), pictures.frame("test")
    found = TASK.collate(encoded(pictures, trial, "test"), np.arange(len(frame)))["pixel_values"]
    (tmp_path / "export").mkdir()
    TASK.write_processor(trial, pictures, tmp_path / "export")
    for folder in (tmp_path / "checkpoint", tmp_path / "export"):
        process = AutoImageProcessor.from_pretrained(folder, backend="pil")
        expected = process([raw(picture) for picture in frame["image"]], return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": {"shortest_edge": 24}}, "gives pictures several sizes; set task_options.image_size"),
        ({"do_resize": False}, "gives pictures several sizes"),
        ({"size": {"shortest_edge": 24, "longest_edge": 40}}, "gives pictures several sizes"),
        ({"do_pad": True}, "do_pad is not done here"),
        ({"do_thumbnail": True}, "do_thumbnail is not done here"),
        ({"size": {"height": "a", "width": 3}}, "its values cannot be read"),
        ({"image_mean": "x"}, "its values cannot be read"),
        ({"size": {"height": 10**6, "width": 24}}, "a size or a filter is out of range"),
        ({"size": 24, "resample": 17}, "a size or a filter is out of range"),
        ({"size": 24, "image_std": [0.1, 0.0, 0.1]}, "image_mean or image_std is no list of 3 numbers"),
        ({"size": 24, "image_mean": [0.1, 0.2]}, "image_mean or image_std is no list of 3 numbers"),
        ({"do_flip_channel_order": True, "do_rescale": False}, "do_flip_channel_order with a mean or a scale"),
    ],
)
def test_what_a_file_asks_for_and_is_not_done_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        rules_of(settings, [24, 24], None, 3)


def test_another_size_keeps_the_share_that_is_cut_off() -> None:
    settings = {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}
    fit = rules_of(settings, [224, 224], 112, 3).fit
    assert (fit.resize, fit.crop) == (128, (112, 112))
    assert rules_of({"do_resize": False}, [24, 24], 32, 3).fit.size == (32, 32)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_trained_and_exported(family: str, pictures: PreparedData, tmp_path: Path) -> None:
    trial = config("image-classification", architecture=FAMILIES[family])
    torch.manual_seed(0)
    model = TASK.build_model(trial, pictures)
    examples, rows = encoded(pictures, trial, "train"), np.arange(4)
    loss = TASK.make_loss(trial, pictures, examples, rows, torch.device("cpu"))
    loss(model(**TASK.collate(examples, rows)), TASK.targets(examples, rows)).backward()
    with quiet():
        model.save_pretrained(tmp_path)
        TASK.write_processor(trial, pictures, tmp_path)
        loaded = load_saved(tmp_path, TASK.auto).eval()
    raw_rows = [{"image": picture} for picture in pictures.frame("test")["image"]]
    again = TASK.predict_inputs(raw_rows, tmp_path, 0)
    expected, at = encoded(pictures, trial, "test"), np.arange(len(raw_rows))
    np.testing.assert_array_equal(again.fields["pixel_values"], expected.fields["pixel_values"])
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(**TASK.collate(again, at)).logits, model.eval()(**TASK.collate(expected, at)).logits
        )


def test_a_size_that_a_model_does_not_take_is_refused(pictures: PreparedData, tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, pictures, FAMILIES["vit"], {"size": {"height": 24, "width": 24}})
    trial = config("image-classification", checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="this vit model does not take pictures of 32 pixels a side"):
        TASK.build_model(trial.model_copy(update={"task_options": {"image_size": 32}}), pictures)
    TASK.build_model(trial.model_copy(update={"task_options": {"image_size": 24}}), pictures)


def test_what_was_changed_is_a_note_of_the_encoding(pictures: PreparedData) -> None:
    notes = [
        note
        for split in ("train", "validation", "test")
        for note in encoded(pictures, config("image-classification", architecture=RESNET), split).stats["notes"]
    ]
    assert len(notes) == 1 and notes[0].endswith("pictures are turned upright, as EXIF says")


def norms(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers() if "running" in name}


def test_frozen_batch_norms_keep_their_statistics(pictures: PreparedData) -> None:
    torch.manual_seed(0)
    model = TASK.build_model(config("image-classification", architecture=RESNET), pictures)
    plain, pixels = copy.deepcopy(model), torch.rand(4, 3, 24, 24)
    model.base_model.requires_grad_(False)
    settle_norms(model)
    before = norms(model)
    model.train()
    expected = model.eval()(pixel_values=pixels).logits
    torch.testing.assert_close(model.train()(pixel_values=pixels).logits, expected)
    assert all(torch.equal(value, before[name]) for name, value in norms(model).items())
    settle_norms(plain)
    plain.train()(pixel_values=pixels)
    assert not any(torch.equal(value, before[name]) for name, value in norms(plain).items() if "var" in name)


def test_one_value_a_channel_uses_the_running_statistics() -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    settle_norms(model)  # type: ignore[arg-type]
    alone = torch.rand(1, 3, 1, 1)
    torch.testing.assert_close(model.train()(alone), model.eval()(alone))
    assert not torch.equal(model.train()(pair := torch.rand(2, 3, 1, 1)), model.eval()(pair))


@pytest.mark.parametrize(
    ("momentum", "steps", "expected"),
    [(0.1, 10, 0.1), (0.1, 10**6, 0.1), (0.01, 200, 0.05), (0.01, 20, 0.1), (0.01, 10**6, 0.01), (0.99, 10**6, 0.01),
     (0.997, 200, 0.05), (None, 200, None)],
)  # fmt: skip
def test_running_statistics_follow_short_trainings(momentum: float | None, steps: int, expected: float | None) -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3, momentum=momentum))
    follow_steps(model, steps)
    assert model[0].momentum == (expected if expected is None else pytest.approx(expected))


PIXELS = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8) / 400


class _Examples:
    stats = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}


def varied(seed: int, **options: Any) -> torch.Tensor:
    torch.manual_seed(seed)
    variation = variation_of(options)
    assert variation is not None
    return variation({"pixel_values": PIXELS}, _Examples())["pixel_values"]  # type: ignore[arg-type]


def test_no_option_changes_nothing() -> None:
    assert variation_of({}) is None and variation_of({"flip": False, "crop": 0.0, "colour": 0, "image_size": 8}) is None


def test_flip_mirrors_some_pictures() -> None:
    seen = set()
    for seed in range(12):
        for before, after in zip(PIXELS, varied(seed, flip=True), strict=True):
            seen.add(torch.equal(after, before))
            assert torch.equal(after, before) or torch.equal(after, before.flip(-1))
    assert seen == {True, False}


def test_crop_moves_pictures_and_fills_with_zeros() -> None:
    for seed in range(8):
        for before, after in zip(PIXELS + 1, varied_ones(seed), strict=True):
            moves = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
            assert any(torch.equal(after, moved(before, down, right)) for down, right in moves)


def varied_ones(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    variation = variation_of({"crop": 0.25})
    assert variation is not None
    return variation({"pixel_values": PIXELS + 1}, _Examples())["pixel_values"]  # type: ignore[arg-type]


def moved(picture: torch.Tensor, down: int, right: int) -> torch.Tensor:
    padded = torch.nn.functional.pad(picture, (2, 2, 2, 2))
    return padded[:, 2 + down : 10 + down, 2 + right : 10 + right]


def test_colours_stay_colours_and_are_drawn_from_the_trial() -> None:
    shift, scale = (torch.tensor(_Examples.stats[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    found = varied(0, colour=0.5)
    assert torch.equal(found, varied(0, colour=0.5)) and not torch.equal(found, varied(1, colour=0.5))
    assert not torch.allclose(found, PIXELS)
    pixels = found * scale + shift
    assert pixels.min() > -1e-6 and pixels.max() < 1 + 1e-6
