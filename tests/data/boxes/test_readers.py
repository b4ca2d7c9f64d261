"""Boxes of COCO's JSON, of Pascal VOC's XML and of cells, and what is refused of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.kinds.box_cells import boxes_of
from harness.data.prepare import prepare
from harness.data.read import Tables, read_table
from harness.errors import DataError
from harness.spec.study import DataSpec, StudySpec
from tests.tasks.drawn import drawn

SIDE = 64


def rows_in(folder: Path, count: int = 12) -> list[dict[str, Any]]:
    return [drawn(folder / "pictures", number, SIDE) for number in range(count)]


def read(path: Path, **columns: Any) -> Tables:
    return read_table(DataSpec.model_validate({"path": str(path), "columns": columns}), "object-detection")


def boxes_in(tables: Tables) -> list[Any]:
    return [[tuple(box) for box in boxes] for boxes in tables.train["boxes"]]


def expected(rows: list[dict[str, Any]]) -> list[Any]:
    return [[(box["label"], *map(float, box["box"])) for box in row["boxes"]] for row in rows]


def as_coco(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = {"circle": 3, "square": 7}
    notes = [
        {
            "id": 100 * at + number,
            "image_id": 10 + at,
            "category_id": names[box["label"]],
            "bbox": [*box["box"][:2], box["box"][2] - box["box"][0], box["box"][3] - box["box"][1]],
        }
        for at, row in enumerate(rows)
        for number, box in enumerate(row["boxes"])
    ]
    images = [{"id": 10 + at, "file_name": row["image"], "width": SIDE} for at, row in enumerate(rows)]
    return {
        "images": images,
        "annotations": notes,
        "categories": [{"id": at, "name": name} for name, at in names.items()],
    }


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_voc(folder: Path, rows: list[dict[str, Any]], head: str = "") -> None:
    (folder / "Annotations").mkdir()
    (folder / "pictures").rename(folder / "JPEGImages")
    for at, row in enumerate(rows):
        objects = "".join(
            f"<object><name>{box['label']}</name><bndbox><xmin>{box['box'][0]}</xmin><ymin>{box['box'][1]}</ymin>"
            f"<xmax>{box['box'][2]}</xmax><ymax>{box['box'][3]}</ymax></bndbox></object>"
            for box in row["boxes"]
        )
        text = f"{head}<annotation><filename>{Path(row['image']).name}</filename>{objects}</annotation>"
        (folder / "Annotations" / f"{at:03}.xml").write_text(text, encoding="utf-8")


def test_coco(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    value = as_coco(rows)
    value["annotations"].append({"image_id": 10, "category_id": 3, "iscrowd": 1, "bbox": [0, 0, 9, 9]})
    tables = read(written(tmp_path / "train.json", value))
    assert boxes_in(tables) == expected(rows)
    assert "train.json: 1 annotations are crowds (iscrowd), and left out" in tables.notes


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("annotations", {"image_id": 99}, "annotation 1: image_id 99 is the id of none of 12 'images'"),
        ("annotations", {"category_id": 5}, r"category_id 5 is the id of none of the 'categories' \(3: circle, 7: squ"),
        ("annotations", {"bbox": None}, "annotation 1: has no 'bbox'"),
        ("annotations", {"bbox": [5, 5, -3, 9]}, "a width of -3 and a height of 9"),
        ("images", {"id": 11}, "image 2: id 11 is that of an image before it"),
        ("images", {"file_name": None}, "image 1: 'file_name' is None"),
        ("images", {"file_name": "../out.png"}, "outside of the data's folder"),
    ],
)
def test_coco_is_refused_with_its_place(part: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    value = as_coco(rows_in(tmp_path / "data"))
    (tmp_path / "out.png").write_bytes((tmp_path / "data" / "pictures" / "0.png").read_bytes())
    value[part][0] |= change
    with pytest.raises(DataError, match=message):
        read(written(tmp_path / "data" / "train.json", value))


def test_voc(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, 24)
    write_voc(tmp_path, rows)
    assert boxes_in(read(tmp_path)) == expected(rows)
    sets = tmp_path / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("\n".join(f"{at:03}" for at in range(12)), encoding="utf-8")
    (sets / "val.txt").write_text("\n".join(f"{at:03}  1" for at in range(12, 24)), encoding="utf-8")
    tables = read(tmp_path)
    assert boxes_in(tables) == expected(rows[:12])
    assert tables.validation is not None
    assert len(tables.validation) == 12
    (sets / "train.txt").write_text("777\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'777' has no file in .*Annotations"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("head", "change", "message"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]>', None, "declares a document type"),
        ("", ("<name>circle</name>", ""), "has no <name>|object"),
        ("", ("</annotation>", ""), "is broken or cut off"),
        ("", ("annotation>", "other>"), "has no <annotation>"),
        ("", ("<xmin>", "<xmin>a"), "four numbers are needed"),
        ("", ("filename>", "file>"), "has no <filename>"),
    ],
)
def test_voc_is_refused_by_name(head: str, change: tuple[str, str] | None, message: str, tmp_path: Path) -> None:
    rows = rows_in(tmp_path, 12)
    rows[0]["boxes"] = [{"label": "circle", "box": [1, 2, 30, 40]}]
    write_voc(tmp_path, rows, head)
    path = tmp_path / "Annotations" / "000.xml"
    if change is not None:
        path.write_text(path.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


BOX = ["cat", 1.0, 2.0, 5.0, 9.0]


@pytest.mark.parametrize(
    "cell",
    [
        [{"label": "cat", "box": [1, 2, 5, 9]}],
        [{"category": "cat", "bbox": [1, 2, 4, 7]}],
        {"bbox": [[1, 2, 4, 7]], "category": ["cat"]},
        {"boxes": [["1", 2, 5, 9.0]], "labels": ["cat"]},
        [{"label": "cat", "box": {"xmin": 1, "ymin": 2, "xmax": 5, "ymax": 9}, "score": 0.5}],
        {"label": "cat", "xmin": 1, "ymin": 2, "xmax": 5, "ymax": 9},
        '[{"label": "cat", "box": [1, 2, 5, 9]}]',
    ],
)
def test_layouts_of_a_cell(cell: Any) -> None:
    assert boxes_of("t: row 1", cell) == [BOX]


def test_a_picture_without_objects_and_a_missing_cell() -> None:
    assert boxes_of("t: row 1", []) == boxes_of("t: row 1", {"bbox": [], "category": []}) == []
    assert boxes_of("t: row 1", None) is None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("cats", "row 1 holds no boxes: 'cats'"),
        (7, "row 1 holds no boxes: 7"),
        ([[1, 2, 3, 4]], "box 1 is .*, no object"),
        ([{"box": [1, 2, 5, 9]}], "box 1 has no class"),
        ([{"label": "cat", "box": [1, 2, 5]}], r"box 1 \('cat'\) is .*; four numbers are needed"),
        ([{"label": "cat", "box": [1, 2, 5, "x"]}], "four numbers are needed"),
        ([{"label": "cat", "box": [1, 2, 5, float("nan")]}], "four numbers are needed"),
        ([{"label": "cat", "box": [9, 2, 5, 9]}], "right side is left of its left one.*call the key 'bbox'"),
        ([{"label": "cat", "bbox": [9, 2, 5, -9]}], "a width of 5 and a height of -9"),
        ({"bbox": [[1, 2, 4, 7]], "category": ["cat", "dog"]}, "different lengths"),
    ],
)
def test_what_is_no_box_is_refused(cell: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        boxes_of("t: row 1", cell)


def jsonl(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_boxes_are_cut_to_their_pictures_and_empty_ones_left_out(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    rows[2]["boxes"] = [{"label": "circle", "box": [-4, 0, 20, 70]}, {"label": "square", "box": [5, 5, 5, 9]}]
    tables = read(jsonl(tmp_path, rows))
    assert boxes_in(tables)[2] == [("circle", 0.0, 0.0, 20.0, 64.0)]
    assert any(
        "1 boxes reach beyond their pictures, and are cut at the edge (first: row 3)" in note for note in tables.notes
    )
    assert any("1 boxes have no area, and are left out (first: row 3)" in note for note in tables.notes)


def test_boxes_outside_and_shares_are_refused(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    rows[4]["boxes"] = [{"label": "circle", "box": [60, 10, 90, 30]}]
    with pytest.raises(
        DataError, match=r"row 5: 'boxes': box 1 \('circle'\) is \[60, 10, 90, 30\].*64 wide and 64 high"
    ):
        read(jsonl(tmp_path, rows))
    for row in rows:
        row["boxes"] = [{"label": "circle", "box": [0.1, 0.1, 0.4, 0.4]}]
    with pytest.raises(DataError, match="they are shares of the picture"):
        read(jsonl(tmp_path, rows))


def test_classes_that_train_lacks_are_told(tmp_path: Path) -> None:
    rows = rows_in(tmp_path, 24)
    for row in rows[12:]:
        row["boxes"].append({"label": "star", "box": [1, 1, 9, 9]})
    for name, part in (("train", rows[:12]), ("test", rows[12:])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)), encoding="utf-8")
    spec = {"name": "x", "task": "object-detection", "data": {"path": str(tmp_path)}, "model": {"checkpoint": "scratch",
            "architecture": {"model_type": "yolos"}}}  # fmt: skip
    meta = prepare(StudySpec.model_validate(spec), tmp_path / "cache").meta
    assert meta.labels == ("circle", "square", "star")
    assert "the class 'star' is in test but not in train: it cannot be learned" in meta.notes


def test_boxes_and_classes_in_columns_of_their_own(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    apart = [
        {
            "image": row["image"],
            "box": [box["box"] for box in row["boxes"]],
            "label": [box["label"] for box in row["boxes"]],
        }
        for row in rows
    ]
    assert boxes_in(read(jsonl(tmp_path, apart), boxes=["box", "label"])) == expected(rows)
