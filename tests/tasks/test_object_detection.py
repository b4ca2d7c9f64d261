"""Object detection: the families, what changes pictures with their boxes, the loss, the threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.encoded import Encoded, Ragged
from harness.errors import CheckpointError
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from harness.spec.trial import TrialModel
from harness.stats.ragged import ragged_of
from harness.tasks.detection.batches import boxes_and_classes, labels_of
from harness.tasks.detection.detections import THRESHOLD, best_threshold, detections, shown
from harness.tasks.detection.processor import described, stats_of
from harness.tasks.detection.variation import variation_of
from harness.tasks.losses import SetLoss
from harness.tasks.models import build, new_parameters, quiet, saved_config
from harness.tasks.object_detection import ObjectDetection
from tests.tasks.tiny import RT_DETR

_BACKBONE = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1],
             "layer_type": "basic", "out_features": ["stage2"]}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "rt_detr": RT_DETR,
    "yolos": {"model_type": "yolos", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 32, "patch_size": 16, "num_detection_tokens": 10, "image_size": [64, 64]},
    "detr": {"model_type": "detr", "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16,
             "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 10,
             "backbone_config": _BACKBONE, "use_timm_backbone": False, "use_pretrained_backbone": False},
}  # fmt: skip


def examples() -> Encoded:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    rows = [[[0.0, 10.0, 20.0, 30.0, 60.0], [1.0, 0.0, 0.0, 20.0, 10.0]], [[1.0, 50.0, 50.0, 90.0, 70.0]], []]
    return Encoded(
        fields={
            "pixel_values": pixels,
            "sizes": np.array([[80, 100]] * 3),
        },
        targets=boxes_and_classes(rows),
        lengths=np.ones(3, dtype=np.int32),
        stats={"mean": [0.5] * 3, "std": [0.5] * 3, "size": [64, 64], "num_classes": 2, "is_learned": True},
    )


def spec(architecture: dict[str, Any], **keys: Any) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "x",
            "task": "object-detection",
            "data": {"path": "rows.jsonl"},
            "model": {"checkpoint": "scratch", "architecture": architecture},
            **keys,
        }
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_and_says_boxes(family: str) -> None:
    from transformers import AutoConfig, AutoModelForObjectDetection

    torch.manual_seed(0)
    with quiet():
        settings = AutoConfig.for_model(**FAMILIES[family])
        settings.id2label = {0: "cat", 1: "dog"}
        model = AutoModelForObjectDetection.from_config(settings).train()
    task, encoded, rows = ObjectDetection(), examples(), np.arange(3)
    inputs, targets = task.collate(encoded, rows), task.targets(encoded, rows)
    loss = SetLoss(np.array([2, 1, 0]))
    assert loss.weight(rows) == 3
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        value = loss(model(**inputs), targets) / loss.weight(rows)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    assert losses[-1] < losses[0]
    model.eval()
    with torch.no_grad():
        outputs = task.outputs(model(pixel_values=inputs["pixel_values"]), inputs)
    arrays = {name: value.numpy() for name, value in outputs.items() if isinstance(value, torch.Tensor)}
    said = task.decided(task.of_rows(arrays, encoded, rows), {THRESHOLD: 0.0})
    assert len(said["boxes"]) == 3
    assert set(np.unique(ragged_of(said["classes"]).values)) <= {0, 1}
    assert len(task.predict(said, 0, ["cat", "dog"])["boxes"]) == (40 if family == "rt_detr" else 10)
    stats = stats_of(settings, {}, {"height": 64, "width": 96})
    assert described(settings, stats)["size"] == {"height": 64, "width": 96}


def test_a_flip_moves_the_boxes_with_the_pixels() -> None:
    """A box of ones in zeros is where its label says, whatever is done to the picture."""
    encoded = examples()
    pictures = torch.zeros(40, 3, 64, 64)
    pictures[:, :, 8:24, 4:36] = 1
    box = torch.tensor([[(4 + 36) / 128, (8 + 24) / 128, 32 / 64, 16 / 64]])
    labels = [{"class_labels": torch.zeros(1, dtype=torch.int64), "boxes": box} for _ in pictures]
    torch.manual_seed(0)
    vary = variation_of({"flip": "both", "crop": 0.3})
    assert vary is not None
    changed = vary({"pixel_values": pictures, "labels": labels}, encoded)
    seen = set()
    for picture, label in zip(changed["pixel_values"], changed["labels"], strict=True):
        if not len(label["boxes"]):
            continue
        rows, columns = (np.flatnonzero((picture[0] > 0.5).any(dim=axis).numpy()) for axis in (1, 0))
        found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 64
        x, y, width, height = label["boxes"][0].tolist()
        assert found == pytest.approx([x - width / 2, y - height / 2, x + width / 2, y + height / 2], abs=0.04)
        seen.add((x < 0.5, y < 0.5))
    assert len(seen) >= 3
    assert variation_of({"flip": "none", "crop": 0.0}) is None


def test_labels_are_shares_of_the_picture() -> None:
    labels = labels_of(examples(), np.array([1, 2]))
    assert labels[0]["boxes"].numpy() == pytest.approx(np.array([[0.7, 0.75, 0.4, 0.25]]))
    assert labels[1]["boxes"].shape == (0, 4)


def test_detections_of_both_kinds_of_heads() -> None:
    places, sizes = np.array([[[0.5, 0.5, 0.2, 0.4], [0.2, 0.2, 0.2, 0.2]]]), np.array([[100, 200]])
    by_class = detections(np.array([[[2.0, 1.0], [-5.0, -4.0]]]), places, sizes, 2)
    assert by_class["classes"].values.tolist() == [0, 1, 1, 0]
    assert by_class["boxes"].values[0] == pytest.approx([80, 30, 120, 70])
    with_none = detections(np.array([[[2.0, 1.0, 0.0], [0.0, 0.0, 9.0]]]), places, sizes, 2)
    assert with_none["classes"].values[0] == 0
    assert with_none["scores"].values[0] == pytest.approx(np.exp(2) / (np.exp(2) + np.e + 1))


def test_threshold_has_the_highest_f1() -> None:
    offsets = np.array([0, 3])
    true = {"boxes": Ragged(values=np.array([[0.0, 0, 9, 9]]), offsets=np.array([0, 1])),
            "classes": Ragged(values=np.array([1]), offsets=np.array([0, 1]))}  # fmt: skip
    said = {
        "boxes": Ragged(values=np.array([[0.0, 0, 9, 9], [20, 20, 30, 30], [0, 0, 9, 8]]), offsets=offsets),
        "classes": Ragged(values=np.array([1, 1, 1]), offsets=offsets),
        "scores": Ragged(values=np.array([0.8, 0.4, 0.3]), offsets=offsets),
    }
    assert best_threshold(said, true) == pytest.approx(0.8)
    assert shown(said, {THRESHOLD: 0.8}).values.tolist() == [1, 0, 0]
    assert best_threshold(said, {**true, "classes": Ragged(values=np.array([0]), offsets=np.array([0, 1]))}) == 0.5


def test_precision_is_fp32(tmp_path: Path) -> None:
    study = spec(RT_DETR, training={"learning_rate": 1e-3})
    assert resolve(study, number=0, params=default_params(study)).training.precision == "fp32"
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: x\ntask: object-detection\ndata: {path: a.jsonl}\nmodel: {checkpoint: scratch, architecture: "
        "{model_type: yolos}}\ntraining: {learning_rate: [1e-3, 1e-4], precision: bf16}\n",
        encoding="utf-8",
    )
    with pytest.raises(Exception, match="cannot be computed in bf16; use fp32, which auto is here"):
        load_study(path)


def test_a_size_that_the_model_does_not_take_is_refused() -> None:
    study = spec(RT_DETR, task_options={"height": 200})
    config = resolve(study, number=0, params=default_params(study))
    with pytest.raises(CheckpointError, match="needs a multiple of 32 pixels, not 200; use 192"):
        ObjectDetection().encode(None, "train", config, None)  # type: ignore[arg-type]


def test_warns_of_frozen_norms_that_nothing_was_learned_with() -> None:
    study = spec({**RT_DETR, "freeze_backbone_batch_norms": True})
    config = resolve(study, number=0, params=default_params(study))
    assert ObjectDetection().data_warnings(config, None)[0].startswith("a backbone that is trained")  # type: ignore[arg-type]


def test_a_checkpoint_of_other_classes_gets_a_new_head(tmp_path: Path) -> None:
    """RT-DETR has its heads within the backbone: those for the classes are new, those for places are kept."""
    from transformers import AutoConfig, AutoModelForObjectDetection

    with quiet():
        settings = AutoConfig.for_model(**RT_DETR, num_labels=5)
        AutoModelForObjectDetection.from_config(settings).save_pretrained(tmp_path)
    settings = saved_config(tmp_path)
    settings.id2label = {0: "cat", 1: "dog"}
    model = build("AutoModelForObjectDetection", TrialModel(checkpoint=str(tmp_path)), settings)
    new = new_parameters(model)
    assert {name.split(".")[-2] if "class_embed" not in name else "class_embed" for name in new} == {
        "class_embed",
        "enc_score_head",
    }
    assert not any("bbox" in name for name in new)
