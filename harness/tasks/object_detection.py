"""Boxes around the objects of a picture, with any checkpoint that has an object-detection head.

Every picture is resized to one size; a box in a batch is a share of its picture, everywhere else it is in pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.checkpoints import resolve
from harness.data.encoded import MOST_ROWS, Arrays, Encoded, Ragged
from harness.data.pictures.find import Picture
from harness.data.pictures.fit import Fit
from harness.data.pictures.opened import picture_size
from harness.data.pictures.pixels import notes_of, pixels_of
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.study import PreprocessStep
from harness.spec.tasks import BOXES, IMAGE, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.boxes.loss import MISSED
from harness.stats.ragged import ragged_of
from harness.tasks.base import TaskBase
from harness.tasks.detection.baselines import commonest_boxes
from harness.tasks.detection.batches import boxes_and_classes, labels_of, pictures_of
from harness.tasks.detection.detections import THRESHOLD, best_threshold, detections, shown
from harness.tasks.detection.processor import described, stats_of
from harness.tasks.detection.variation import variation_of
from harness.tasks.models import build, model_config, saved_config
from harness.tasks.pictures.processor import PROCESSOR, read_processor

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

    from harness.tasks.losses import SetLoss

__all__ = ["TASK", "ObjectDetection"]

#: Pixels of one evaluation batch.
_MOST_PIXELS = 2**22


class ObjectDetection(TaskBase):
    """Boxes and their classes. Targets `boxes` (ragged, [left, top, right, bottom] in pixels) and `classes`.

    Outputs are `boxes`, `classes` and `scores`, at most 100 a picture, and `shown`: 1 for those of a score that the
    threshold of a saved model lets through.
    """

    facts = facts_of("object-detection")
    auto: ClassVar[str] = "AutoModelForObjectDetection"
    reads: ClassVar[tuple[str, ...]] = ("logits", "pred_boxes")
    value_columns: ClassVar[tuple[str, ...]] = ("boxes",)

    def row_targets(self, frame: pd.DataFrame) -> dict[str, np.ndarray | Ragged]:
        """Returns the boxes and their classes."""
        return dict(boxes_and_classes(frame[BOXES.name].tolist()))

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns the size, and how the checkpoint wants its pictures."""
        size = {name: config.task_options.get(name) for name in ("height", "width")}
        folder = _folder(config)
        if folder is None:
            return size | {"architecture": config.model.architecture}
        return size | {"processor": read_processor(folder), "config": (folder / "config.json").read_text("utf-8")}

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Returns pixels [rows, height, width, 3] uint8 and the `sizes` of the pictures (height, width) [rows, 2]."""
        stats = self._stats(config, data) | {"is_learned": split == "train"}
        return _encoded(frame[IMAGE.name].tolist(), self.row_targets(frame), stats, data.folder, split)

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, Any]:
        """Returns pixel_values [rows, 3, height, width]; of training rows also labels, which give a model its loss."""
        pictures = pictures_of(encoded, rows)
        if not encoded.stats.get("is_learned"):
            return {"pixel_values": pictures}
        return {"pixel_values": pictures, "labels": labels_of(encoded, rows)}

    def variation(self, config: TrialConfig) -> Callable[[Mapping[str, Any], Encoded], dict[str, Any]] | None:
        """Returns what mirrors and cuts training pictures with their boxes, as `flip` and `crop` say."""
        return variation_of(config.task_options)

    def targets(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns how many boxes each row has [rows] int64: the boxes themselves are labels of `collate`."""
        import torch

        return {"num_boxes": torch.from_numpy(np.diff(ragged_of(encoded.targets["boxes"]).offsets)[rows])}

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns the checkpoint with a head for the classes of the data."""
        settings = _settings(config)
        settings.id2label = dict(enumerate(data.names))
        settings.label2id = {name: number for number, name in enumerate(data.names)}
        if config.model.checkpoint == "scratch" and hasattr(settings, "image_size"):
            settings.image_size = self._stats(config, data)["size"]
        return build(self.auto, config.model, settings)

    def make_loss(
        self, config: TrialConfig, data: PreparedData, encoded: Encoded, rows: np.ndarray, device: torch.device
    ) -> SetLoss:
        """Returns the model's own loss of its best assignment of queries to boxes; a batch is divided by its boxes."""
        from harness.tasks.losses import SetLoss

        return SetLoss(np.diff(ragged_of(encoded.targets["boxes"]).offsets))

    def outputs(self, output: Any, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor | Ragged]:
        """Returns what each query says: its logits, and its place as shares of the picture; `of_rows` makes boxes."""
        return {"logits": output.logits.float(), "places": output.pred_boxes.float()}

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the boxes of each picture."""
        sizes = np.asarray(encoded.fields["sizes"])[rows]
        logits, places = (np.asarray(outputs[name]) for name in ("logits", "places"))
        return detections(logits, places, sizes, int(encoded.stats["num_classes"]))

    def tuned(self, outputs: Arrays, targets: Arrays, config: TrialConfig) -> dict[str, Any]:
        """Returns the score from which on boxes have the highest F1 on these rows."""
        return {THRESHOLD: best_threshold(outputs, targets)}

    def decided(self, outputs: Arrays, settings: Mapping[str, Any]) -> Arrays:
        """Returns the outputs with `shown`."""
        return {**outputs, "shown": shown(outputs, settings)}

    def told(self, settings: Mapping[str, Any], names: Sequence[str]) -> str:
        """Returns the threshold as a sentence."""
        return f"A box is shown from a score of {settings.get(THRESHOLD, 0.5):.3f} on, as tuned on validation."

    def chance(self, data: PreparedData) -> dict[str, float]:
        """Returns the metrics of a model that says nothing: it finds no object, and misses each."""
        return {metric.name: 0.0 if metric.maximize else MISSED for metric in self.facts.metrics}

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the commonest boxes of training, the same in every picture."""
        targets, sizes = boxes_and_classes(train[BOXES.name].tolist()), _sizes(train)
        of_box = np.repeat(np.tile(sizes[:, ::-1], 2), np.diff(targets["boxes"].offsets), axis=0)
        shares, classes = targets["boxes"].values / of_box, targets["classes"].values
        yield (
            "commonest boxes",
            {
                split: self.decided(commonest_boxes(shares, classes, len(train), _sizes(frame)), {})
                for split, frame in others.items()
            },
        )

    def data_warnings(self, config: TrialConfig, data: PreparedData) -> list[str]:
        """Warns of batch norms that stay as they are while everything else is trained from nothing."""
        settings = _settings(config)
        if config.model.checkpoint != "scratch" or not getattr(settings, "freeze_backbone_batch_norms", False):
            return []
        return [
            "a backbone that is trained from scratch has frozen batch norms: set "
            "model.architecture.freeze_backbone_batch_norms=false"
        ]

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that shows no box in any picture."""
        is_shown = ragged_of(outputs["shown"]).values if "shown" in outputs else np.ones(1)
        return [] if np.any(is_shown) else ["The model shows no box in any test picture."]

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the name of the picture, and how many objects it has."""
        return f"{row[IMAGE.name].name or 'picture'} ({len(row[BOXES.name])} objects)"

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns the rows and the classes."""
        return f"Pictures to boxes around objects of {len(names)} classes ({', '.join(names)})"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code that prints the boxes of a picture."""
        return (
            "import torch\nfrom PIL import Image\nfrom transformers import AutoImageProcessor, "
            f"{self.auto}\n\n"
            f'processor = AutoImageProcessor.from_pretrained({json.dumps(folder)}, backend="pil")\n'
            f"model = {self.auto}.from_pretrained({json.dumps(folder)}).eval()\n"
            'picture = Image.open("picture.jpg").convert("RGB")\n'
            "with torch.inference_mode():\n"
            '    outputs = model(**processor(picture, return_tensors="pt"))\n'
            f"found = processor.post_process_object_detection(outputs, model.config.{THRESHOLD}, "
            "[picture.size[::-1]])[0]\n"
            'for score, label, box in zip(found["scores"], found["labels"], found["boxes"]):\n'
            "    print(model.config.id2label[int(label)], float(score), box.tolist())"
        )

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes preprocessor_config.json: the size, and how pixels are scaled."""
        stats = self._stats(config, data)
        (folder / PROCESSOR).write_text(json.dumps(described(_settings(config), stats), indent=1), encoding="utf-8")

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes pictures as training did; `max_length` and `preprocess` are for texts and not used."""
        stats = stats_of(saved_config(folder), read_processor(folder), {})
        return _encoded([row[IMAGE.name] for row in rows], {}, stats)

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the boxes that are shown, the surest first, with class and score."""
        boxes, classes, scores, is_shown = (
            ragged_of(outputs[name]).of(np.array([row])) for name in ("boxes", "classes", "scores", "shown")
        )
        return {
            "boxes": [
                {"label": names[int(kind)], "box": [round(float(side), 1) for side in box], "score": float(score)}
                for box, kind, score, is_in in zip(boxes, classes, scores, is_shown, strict=True)
                if is_in
            ]
        }

    def _stats(self, config: TrialConfig, data: PreparedData) -> dict[str, Any]:
        """Returns how `collate` makes pictures.

        Raises:
            CheckpointError: the model cannot take pictures of that size.
        """
        settings = _settings(config)
        folder = _folder(config)
        stats = stats_of(settings, read_processor(folder) if folder else {}, config.task_options)
        stride = max(getattr(settings, "feat_strides", None) or [1])
        for name, pixels in zip(("height", "width"), stats["size"], strict=True):
            if pixels % stride:
                nearest = max(1, round(pixels / stride)) * stride
                raise CheckpointError(
                    f"task_options.{name}: a {settings.model_type} model needs a multiple of {stride} pixels, not "
                    f"{pixels}; use {nearest}"
                )
        return stats | {"num_classes": len(data.names)}


def _folder(config: TrialConfig) -> Path | None:
    return None if config.model.checkpoint == "scratch" else resolve(config.model.checkpoint).folder


def _settings(config: TrialConfig) -> PreTrainedConfig:
    return model_config(config.model)


def _sizes(frame: pd.DataFrame) -> np.ndarray:
    """Returns height and width of each picture [rows, 2]."""
    return _sizes_of(frame[IMAGE.name].tolist())


def _sizes_of(pictures: Sequence[Picture]) -> np.ndarray:
    sizes = [picture.size or picture_size(picture.place, picture.read()) for picture in pictures]
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _encoded(
    pictures: Sequence[Picture],
    targets: Arrays,
    stats: Mapping[str, Any],
    folder: Path | None = None,
    split: str = "pictures",
) -> Encoded:
    fit = Fit(resize=tuple(stats["size"]), resample=stats["resample"])
    pixels, seen = pixels_of(((one.place, one.read()) for one in pictures), len(pictures), fit, folder)
    return Encoded(
        fields={"pixel_values": pixels, "sizes": _sizes_of(pictures)},
        targets=targets,
        lengths=np.ones(len(pictures), dtype=np.int32),
        stats={
            **stats,
            MOST_ROWS: max(1, _MOST_PIXELS // (stats["size"][0] * stats["size"][1])),
            "notes": [f"{split}: {note}" for note in notes_of(seen, len(pictures))],
        },
    )


TASK = ObjectDetection()
