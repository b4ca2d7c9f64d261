"""Image classification, with any checkpoint that has an image-classification head.

Pictures get the size that the checkpoint's processor says, once, and stay uint8; rows of pixels are stored as they are
read. Each batch is scaled and normalised when it is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.checkpoints import resolve
from harness.data.encoded import Arrays, Encoded
from harness.data.pictures.find import Picture
from harness.data.prepared import PreparedData
from harness.data.resident import Resident
from harness.spec.study import PreprocessStep
from harness.spec.tasks import IMAGE, facts_of
from harness.spec.trial import TrialConfig
from harness.tasks.baselines import image_baseline
from harness.tasks.classification import Classification, as_outputs
from harness.tasks.models import build, model_config, saved_config
from harness.tasks.pictures.encoding import are_pictures, encoded_images, pixels_of_lists
from harness.tasks.pictures.grey import GREY, SHARES
from harness.tasks.pictures.processor import PROCESSOR, Rules, read_processor, rules_of
from harness.tasks.pictures.sizes import check_size
from harness.tasks.pictures.variation import Variation, variation_of

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["TASK", "ImageClassification"]

_SHADES = " .:-=+*#%@"
_MAX_SHOWN = 32
#: The side of pictures where neither a checkpoint nor the study says one; smaller ones are not enlarged.
_USUAL_SIDE = 224


class ImageClassification(Classification):
    """One class an image."""

    facts = facts_of("image-classification")
    auto: ClassVar[str] = "AutoModelForImageClassification"

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns how the checkpoint and the study want their images."""
        size = {"image_size": config.task_options.get("image_size")}
        if config.model.checkpoint == "scratch":
            return {"architecture": config.model.architecture, **size}
        folder = resolve(config.model.checkpoint).folder
        return {
            "processor": read_processor(folder),
            "config": (folder / "config.json").read_text(encoding="utf-8"),
            **size,
        }

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Returns pixels [rows, height, width, channels] uint8; `stats` say how `collate` makes floats of them."""
        rules = _rules(config, data, is_square=not are_pictures(frame["image"]))
        return encoded_images(frame["image"].tolist(), self.row_targets(frame), rules, data.folder, split)

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns pixel_values: float32 [len(rows), channels, height, width], resized and normalised for the model."""
        import torch
        from torch.nn import functional

        scale = torch.tensor([encoded.stats["mean"], encoded.stats["std"]])
        if isinstance(encoded, Resident):
            # Scaled on the device also where the pixels come from the host: free memory must not change the rounding.
            pixels, scale = encoded.take("pixel_values", rows), encoded.upload(scale.numpy())
        else:
            pixels = torch.from_numpy(np.asarray(encoded.fields["pixel_values"])[rows])
        images = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
        if images.shape[1] > encoded.stats["num_channels"]:
            images = torch.stack([images[:, at] * share for at, share in enumerate(SHARES)], dim=1).sum(1, keepdim=True)
        elif images.shape[1] < encoded.stats["num_channels"]:
            images = images.expand(-1, encoded.stats["num_channels"], -1, -1)
        if list(images.shape[2:]) != encoded.stats["size"]:
            images = functional.interpolate(
                images, size=encoded.stats["size"], mode="bilinear", align_corners=False, antialias=True
            )
        if encoded.stats.get("is_flipped"):
            images = images.flip(1)
        mean, std = scale.view(2, 1, -1, 1, 1)
        # With the channels last, as they are stored, convolutions take two thirds of the time.
        return {"pixel_values": ((images - mean) / std).contiguous(memory_format=torch.channels_last)}

    def variation(self, config: TrialConfig) -> Variation | None:
        """Returns what flips, moves and recolours the pictures of a training batch at random, where the study asks."""
        return variation_of(config.task_options)

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint under a new classification head."""
        settings = _config(config, data)
        self.set_head(settings, data)
        model = build(self.auto, config.model, settings)
        check_size(model, config.task_options.get("image_size"))
        return model

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the majority class, and of rows of pixels logistic regression on them."""
        yield from super().baselines(train, others, data)
        if are_pictures(train["image"]):
            return
        pixels = {name: pixels_of_lists(frame["image"]) for name, frame in others.items()}
        name, probabilities = image_baseline(
            pixels_of_lists(train["image"]), train["label"].to_numpy(), pixels, len(data.names)
        )
        yield name, as_outputs(probabilities)

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns a picture's name; of pixels a line of letters for each row, or where they are many, how many."""
        if isinstance(row["image"], Picture):
            return row["image"].name or "picture"
        image = pixels_of_lists([row["image"]])[0]
        height, width, channels = image.shape
        if max(height, width) > _MAX_SHOWN:
            return f"image, {height} x {width} x {channels}"
        shades = (image.mean(axis=2) * (len(_SHADES) - 1) / 255).round().astype(int)
        return "\n".join("".join(_SHADES[shade] for shade in line) for line in shades)

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes preprocessor_config.json of a processor of transformers that does the same to colour pictures."""
        # Images are opened in colour; a model of grey ones is saved so that it takes them (`grey.py`).
        images = data.frame("train", [IMAGE.name])[IMAGE.name]
        described = _rules(config, data, is_square=not are_pictures(images)).processor()
        (folder / PROCESSOR).write_text(json.dumps(described, indent=1), encoding="utf-8")

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows as training did; `max_length` and `preprocess` are for texts and not used."""
        images, settings = [row["image"] for row in rows], saved_config(folder)
        rules = rules_of(read_processor(folder), _side(settings), None, _channels(settings))
        return encoded_images(images, {}, rules)


def _config(config: TrialConfig, data: PreparedData) -> PreTrainedConfig:
    height, _, channels = data.image_shape
    side = config.task_options.get("image_size") or min(height, _USUAL_SIDE)
    return model_config(config.model, image_size=side, num_channels=channels)


def _rules(config: TrialConfig, data: PreparedData, *, is_square: bool) -> Rules:
    """Returns what is done to the images of a trial."""
    settings, option = _config(config, data), config.task_options.get("image_size")
    is_new = config.model.checkpoint == "scratch"
    processor = {} if is_new else read_processor(resolve(config.model.checkpoint).folder)
    size = option if isinstance(option, int) else None
    return rules_of(processor, _side(settings), size, _channels(settings), is_square=is_square)


def _side(settings: PreTrainedConfig) -> Sequence[int]:
    """Returns the height and width that a model's configuration says."""
    size = getattr(settings, "image_size", None) or _USUAL_SIDE
    return [size, size] if isinstance(size, int) else list(size)


def _channels(settings: PreTrainedConfig) -> int:
    """Returns how many channels a model reads: one where it was widened for saving (`grey.py`)."""
    return 1 if getattr(settings, GREY, None) else int(getattr(settings, "num_channels", 3))


TASK = ImageClassification()
