"""Reads the pictures of COCO's JSON, each with the boxes of its annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import DataError

__all__ = ["is_coco", "rows_of_coco"]


def is_coco(value: Mapping[str, Any]) -> bool:
    """True for an object with lists of `images`, `annotations` and `categories`."""
    parts = [value.get(name) for name in ("images", "annotations", "categories")]
    return all(isinstance(part, list) and all(isinstance(item, dict) for item in part) for part in parts)


def rows_of_coco(place: str, value: Mapping[str, Any], notes: list[str]) -> Iterator[tuple[str, Any]]:
    """Yields a row for each picture, and its place: what the file says of it, `image` and `boxes`.

    Crowds (`iscrowd: 1`) are areas of many objects and no box of one: they are left out, and a note says how many.

    Raises:
        DataError: an annotation is of no picture or of no category, or has no box; two pictures have one id.
    """
    names = {_key(f"{place}: category {at}", item, "id"): item for at, item in enumerate(value["categories"], start=1)}
    boxes: dict[Any, list[dict[str, Any]]] = {}
    for at, image in enumerate(value["images"], start=1):
        key = _key(f"{place}: image {at}", image, "id")
        if key in boxes:
            raise DataError(f"{place}: image {at}: id {key!r} is that of an image before it; ids must differ")
        boxes[key] = []
    num_crowds = 0
    for at, item in enumerate(value["annotations"], start=1):
        where = f"{place}: annotation {at}"
        image, category = _key(where, item, "image_id"), _key(where, item, "category_id")
        if image not in boxes:
            remedy = "add the image, or leave the annotation out"
            raise DataError(f"{where}: image_id {image!r} is the id of none of {len(boxes)} 'images'; {remedy}")
        if category not in names:
            known = ", ".join(f"{key}: {part.get('name')}" for key, part in list(names.items())[:10])
            raise DataError(f"{where}: category_id {category!r} is the id of none of the 'categories' ({known})")
        if item.get("iscrowd"):
            num_crowds += 1
            continue
        if not item.get("bbox"):
            raise DataError(f"{where}: has no 'bbox'; give [left, top, width, height], or leave it out")
        label = _key(f"{place}: category {category!r}", names[category], "name")
        boxes[image].append({"label": label, "bbox": item["bbox"]})
    if num_crowds:
        notes.append(f"{place.rpartition('/')[2]}: {num_crowds} annotations are crowds (iscrowd), and left out")
    for at, image in enumerate(value["images"], start=1):
        named = {"image": _key(f"{place}: image {at}", image, "file_name"), "boxes": boxes[image["id"]]}
        yield f"image {at} of 'images'", {**image, **named}


def _key(where: str, item: Mapping[str, Any], name: str) -> Any:
    """Returns the id or the name that an item has; raises DataError where it has none."""
    found = item.get(name)
    if not isinstance(found, (str, int)) or found == "":
        raise DataError(f"{where}: '{name}' is {found!r}; it must be a number or a text")
    return found
