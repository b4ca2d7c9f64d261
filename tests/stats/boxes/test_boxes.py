"""Metrics of detections against faster-coco-eval, and the detection loss against cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.boxes.metrics import DETECTIONS
from harness.stats.boxes.overlap import generalised_iou, iou
from harness.stats.metric import Arrays, scores
from harness.stats.ragged import Ragged, by_row
from harness.stats.resampling import compare, interval

METRICS = {metric.name: metric for metric in DETECTIONS}


def ragged(rows: list[np.ndarray], width: int = 0) -> Ragged:
    shape = (0, width) if width else (0,)
    values = np.concatenate([np.zeros(shape), *[row.reshape(-1, *shape[1:]) for row in rows]])
    return Ragged(values=values, offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64))


def scene(seed: int, num_rows: int, num_classes: int, per_picture: int = 6) -> tuple[Arrays, Arrays]:
    """Objects, and detections of which most lean to one of them; whole numbers, so that overlaps are equal at times."""
    rng = np.random.default_rng(seed)
    true, kinds, said, said_kinds, said_scores = [], [], [], [], []
    for _ in range(num_rows):
        count = rng.integers(0, per_picture)
        corners = rng.integers(0, 60, (count, 2))
        boxes = np.concatenate([corners, corners + rng.integers(4, 40, (count, 2))], axis=1).astype(float)
        classes = rng.integers(0, num_classes, count)
        repeats = rng.integers(0, 4, count)
        near = np.repeat(boxes, repeats, axis=0)
        found = near + rng.integers(-4, 5, near.shape)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        noise = np.concatenate([c := rng.integers(0, 60, (3, 2)), c + rng.integers(4, 40, (3, 2))], axis=1)
        of_class = np.where(rng.random(len(near)) < 0.8, np.repeat(classes, repeats), rng.integers(num_classes))
        true.append(boxes)
        kinds.append(classes)
        said.append(np.concatenate([found, noise]))
        said_kinds.append(np.concatenate([of_class, rng.integers(0, num_classes, 3)]))
        said_scores.append(rng.choice([0.1, 0.25, 0.5, 0.75, 0.9], len(near) + 3) + rng.random(len(near) + 3) * 1e-3)
    outputs = {"boxes": ragged(said, 4), "classes": ragged(said_kinds), "scores": ragged(said_scores)}
    return outputs, {"boxes": ragged(true, 4), "classes": ragged(kinds)}


def coco(outputs: Arrays, targets: Arrays, num_classes: int) -> dict[str, float]:
    """The metrics of faster-coco-eval."""
    from faster_coco_eval import COCO, COCOeval_faster

    def listed(arrays: Arrays, row: int) -> list[dict[str, object]]:
        start, end = arrays["boxes"].offsets[row : row + 2]
        found = []
        for at in range(start, end):
            left, top, right, bottom = map(float, arrays["boxes"].values[at])
            item: dict[str, object] = {"image_id": row + 1, "category_id": int(arrays["classes"].values[at]) + 1}
            item |= {"bbox": [left, top, right - left, bottom - top]}
            if "scores" in arrays:
                item["score"] = float(arrays["scores"].values[at])
            found.append(item)
        return found

    rows = range(len(targets["boxes"]))
    true = [item for row in rows for item in listed(targets, row)]
    for number, item in enumerate(true, start=1):
        _, _, width, height = item["bbox"]  # type: ignore[misc]
        item |= {"id": number, "iscrowd": 0, "area": width * height}  # type: ignore[has-type]
    names = [{"id": kind + 1, "name": str(kind)} for kind in range(num_classes)]
    images = [{"id": row + 1, "width": 100, "height": 100} for row in rows]
    gold = COCO({"images": images, "annotations": true, "categories": names})
    said = gold.loadRes([item for row in rows for item in listed(outputs, row)])
    judge = COCOeval_faster(gold, said, "bbox")
    judge.run()
    values = judge.stats_as_dict
    return {"map": values["AP_all"], "map_50": values["AP_50"], "map_75": values["AP_75"]}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 4), st.sampled_from([6, 150]))
def test_average_precision_is_that_of_faster_coco_eval(seed: int, rows: int, classes: int, per_picture: int) -> None:
    outputs, targets = scene(seed, rows, classes, per_picture)
    found = scores(DETECTIONS, outputs, targets)
    if not len(targets["boxes"].values):
        assert math.isnan(found["map"])
        return
    for name, value in coco(outputs, targets, classes).items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_a_draw_counts_a_picture_as_often_as_it_is_drawn() -> None:
    outputs, targets = scene(3, 8, 2)
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = np.sort(rng.integers(0, 8, 8))
        weights = np.bincount(rows, minlength=8)[None].astype(float)
        for name in ("map", "map_50"):
            value = METRICS[name].value
            assert value is not None
            expected = scores([METRICS[name]], by_row(outputs, rows), by_row(targets, rows))[name]
            assert value(outputs, targets, weights)[0] == pytest.approx(expected, abs=1e-9)


def test_intervals_and_comparisons_follow() -> None:
    outputs, targets = scene(5, 40, 2)
    worse = {**outputs, "boxes": Ragged(values=outputs["boxes"].values + 4, offsets=outputs["boxes"].offsets)}
    for name in ("map_50", "detection_loss"):
        bounds = interval(METRICS[name], outputs, targets)
        assert bounds.low < scores(DETECTIONS, outputs, targets)[name] < bounds.high
        assert compare(METRICS[name], outputs, worse, targets).probability > 0.95


def test_overlaps() -> None:
    a = np.array([[0.0, 0, 2, 2]])
    b = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [4, 0, 6, 2], [1, 1, 1, 1]])
    assert iou(a, b).tolist() == [[1.0, pytest.approx(1 / 3), 0.0, 0.0]]
    assert generalised_iou(a, b)[0, :3] == pytest.approx([1.0, 1 / 3, -1 / 3])


def one(boxes: list[list[float]], classes: list[int], sure: list[float] | None = None) -> Arrays:
    arrays: dict[str, np.ndarray | Ragged] = {
        "boxes": ragged([np.array(boxes, dtype=float).reshape(-1, 4)], 4),
        "classes": ragged([np.array(classes)]),
    }
    return arrays | ({} if sure is None else {"scores": ragged([np.array(sure)])})


def test_detection_loss_is_that_of_the_best_assignment() -> None:
    loss = METRICS["detection_loss"]
    targets = one([[0, 0, 10, 10]], [1])
    perfect = one([[0, 0, 10, 10]], [1], [0.9])
    assert scores([loss], perfect, targets)["detection_loss"] == pytest.approx(-math.log(0.9))
    twice = one([[0, 0, 10, 10], [0, 0, 10, 10]], [1, 1], [0.9, 0.8])
    assert scores([loss], twice, targets)["detection_loss"] == pytest.approx(-math.log(0.9) - math.log(0.2))
    other_class = one([[0, 0, 10, 10]], [0], [0.9])
    missed = -math.log(1e-7) + 4
    assert scores([loss], other_class, targets)["detection_loss"] == pytest.approx(missed - math.log(0.1))
    assert scores([loss], one([], [], []), targets)["detection_loss"] == pytest.approx(missed)


def test_pictures_without_objects_are_scored_by_what_is_found_in_them() -> None:
    outputs = {
        "boxes": ragged([np.array([[0.0, 0, 4, 4]]), np.array([[0.0, 0, 4, 4]])], 4),
        "classes": ragged([np.array([0]), np.array([0])]),
        "scores": ragged([np.array([0.5]), np.array([0.9])]),
    }
    targets = {
        "boxes": ragged([np.array([[0.0, 0, 4, 4]]), np.zeros((0, 4))], 4),
        "classes": ragged([np.array([0]), np.zeros(0)]),
    }
    assert scores(DETECTIONS, outputs, targets)["map"] == pytest.approx(0.5)
