"""Image classification, with any checkpoint that has an image-classification head.

Images are stored as they are read, uint8; each batch is scaled and normalised when it is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.checkpoints import resolve
from harness.data.encoded import Arrays, Encoded
from harness.data.prepared import PreparedData
from harness.data.resident import Resident
from harness.errors import CheckpointError
from harness.spec.study import PreprocessStep
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.tasks.baselines import image_baseline
from harness.tasks.classification import Classification, as_outputs
from harness.tasks.grey import GREY
from harness.tasks.models import build, model_config, saved_config

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["TASK", "ImageClassification"]

_PROCESSOR = "preprocessor_config.json"
_SHADES = " .:-=+*#%@"
_MAX_SHOWN = 32


class ImageClassification(Classification):
    """One class an image."""

    facts = facts_of("image-classification")
    auto: ClassVar[str] = "AutoModelForImageClassification"

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns how the checkpoint wants its images."""
        if config.model.checkpoint == "scratch":
            return {"architecture": config.model.architecture}
        folder = resolve(config.model.checkpoint).folder
        return {"processor": _processor(folder), "config": (folder / "config.json").read_text(encoding="utf-8")}

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Returns pixels [rows, height, width, channels] uint8; `stats` say how `collate` makes floats of them."""
        folder = None if config.model.checkpoint == "scratch" else resolve(config.model.checkpoint).folder
        stats = _stats(_config(config, data), _processor(folder) if folder else {})
        return _encoded(_pixels(frame["image"]), self.row_targets(frame), stats)

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
        if images.shape[1] != encoded.stats["num_channels"]:
            images = images.mean(dim=1, keepdim=True).expand(-1, encoded.stats["num_channels"], -1, -1)
        if list(images.shape[2:]) != encoded.stats["size"]:
            images = functional.interpolate(
                images, size=encoded.stats["size"], mode="bilinear", align_corners=False, antialias=True
            )
        mean, std = scale.view(2, 1, -1, 1, 1)
        return {"pixel_values": ((images - mean) / std).contiguous()}

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint under a new classification head."""
        settings = _config(config, data)
        self.set_head(settings, data)
        return build(self.auto, config.model, settings)

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the majority class, and logistic regression on pixels."""
        yield from super().baselines(train, others, data)
        pixels = {name: _pixels(frame["image"]) for name, frame in others.items()}
        name, probabilities = image_baseline(
            _pixels(train["image"]), train["label"].to_numpy(), pixels, len(data.names)
        )
        yield name, as_outputs(probabilities)

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns a small image in shades of letters, a line for each row of pixels; of a large one, its size."""
        image = _pixels([row["image"]])[0]
        height, width, channels = image.shape
        if max(height, width) > _MAX_SHOWN:
            return f"image, {height} x {width} x {channels}"
        shades = (image.mean(axis=2) * (len(_SHADES) - 1) / 255).round().astype(int)
        return "\n".join("".join(_SHADES[shade] for shade in line) for line in shades)

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes preprocessor_config.json, as far as transformers' keys go: size, mean, standard deviation."""
        source = None if config.model.checkpoint == "scratch" else resolve(config.model.checkpoint).folder
        stats = _stats(_config(config, data), _processor(source) if source else {})
        height, width = stats["size"]
        described = {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": height, "width": width},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            # Images are opened in colour; a model of grey ones is saved so that it takes them (`grey.py`).
            "image_mean": stats["mean"] * (3 // stats["num_channels"]),
            "image_std": stats["std"] * (3 // stats["num_channels"]),
        }
        (folder / _PROCESSOR).write_text(json.dumps(described, indent=1), encoding="utf-8")

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows as training did; `max_length` and `preprocess` are for texts and not used."""
        stats = _stats(saved_config(folder), _processor(folder))
        return _encoded(_pixels([row["image"] for row in rows]), {}, stats)


def _encoded(pixels: np.ndarray, targets: Arrays, stats: Mapping[str, Any]) -> Encoded:
    lengths = np.ones(len(pixels), dtype=np.int32)
    return Encoded(fields={"pixel_values": pixels}, targets=targets, lengths=lengths, stats=stats)


def _pixels(images: Any) -> np.ndarray:
    """Returns [rows, height, width, channels] uint8 of nested lists; grey images get their one channel."""
    stacked = np.array([_nested(image) for image in images], dtype=np.uint8)
    return stacked[..., None] if stacked.ndim == 3 else stacked


def _nested(image: Any) -> Any:
    """Returns an image as nested lists: Parquet gives nested arrays of objects, which numpy does not stack."""
    return [_nested(part) for part in image] if isinstance(image, np.ndarray) and image.dtype.hasobject else image


def _config(config: TrialConfig, data: PreparedData) -> PreTrainedConfig:
    height, _, channels = data.image_shape
    return model_config(config.model, image_size=height, num_channels=channels)


def _processor(folder: Path) -> dict[str, Any]:
    path = folder / _PROCESSOR
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise CheckpointError(f"model.checkpoint: {path} is not JSON ({error})") from error
    return dict(settings)


def _stats(settings: PreTrainedConfig, processor: Mapping[str, Any]) -> dict[str, Any]:
    """Returns size [height, width], channels, mean and standard deviation a channel (0.5 where none is configured)."""
    size: Any = processor.get("crop_size") or processor.get("size") or getattr(settings, "image_size", 224)
    if isinstance(size, dict):
        size = [size["height"], size["width"]] if "height" in size else size.get("shortest_edge", 224)
    pair = [size, size] if isinstance(size, int) else list(size)
    channels = 1 if getattr(settings, GREY, None) else int(getattr(settings, "num_channels", 3))
    mean, std = (list(processor.get(key) or [0.5] * channels) for key in ("image_mean", "image_std"))
    return {"size": pair, "num_channels": channels, "mean": mean[:channels], "std": std[:channels]}


TASK = ImageClassification()
