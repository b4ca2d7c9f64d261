"""Reads the boxes of a picture from a cell, in the layouts that tables have.

A list of objects ({"label": "cat", "box": [left, top, right, bottom]}), or one object with lists by column, as the
Hub's data sets have it. `box` and `boxes` hold the sides; `bbox` and `bboxes` are COCO's left, top, width, height.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.kinds.label import label_name
from harness.data.kinds.lists import value_of
from harness.data.values import is_missing, number_of
from harness.errors import DataError

__all__ = ["SIDES", "boxes_of"]

#: The names of a box's sides where each is a value of its own.
SIDES = ("xmin", "ymin", "xmax", "ymax")
_LABELS = ("label", "labels", "category", "categories", "class", "classes", "name", "names", "category_id")
_CORNERS, _SIZES = ("box", "boxes"), ("bbox", "bboxes")
_ALLOWED = (
    'allowed: a list of {"label": "cat", "box": [left, top, right, bottom]}, with "bbox" for COCO\'s '
    '[left, top, width, height]; or {"label": [...], "box": [...]}'
)


def boxes_of(place: str, value: Any) -> list[list[Any]] | None:
    """Returns the boxes of a cell as [label, left, top, right, bottom]; None for a missing one.

    Raises:
        DataError: it holds no boxes, or one without a class, of other than four numbers, or whose sides have changed
            places; `place` begins the message.
    """
    if is_missing(value):
        return None
    if isinstance(value, str):
        spelled = value_of(value)
        if spelled is None:
            raise DataError(f"{place} holds no boxes: {value[:60]!r}; {_ALLOWED}")
        value = spelled
    items = _of_columns(place, value) if isinstance(value, Mapping) else _listed(value)
    if items is None:
        raise DataError(f"{place} holds no boxes: {str(value)[:60]}; {_ALLOWED}")
    return [_box_of(f"{place}: box {at}", item) for at, item in enumerate(items, start=1)]


def _listed(value: Any) -> list[Any] | None:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return list(value) if isinstance(value, (list, tuple)) else None


def _of_columns(place: str, value: Mapping[str, Any]) -> Iterator[dict[str, Any]] | list[dict[str, Any]]:
    """Returns the items of an object whose values are lists, one value an item; or the object as the only item."""
    lists = {name: listed for name, cell in value.items() if (listed := _listed(cell)) is not None}
    labels = [name for name in lists if name in _LABELS]
    if not labels and any(not _missing(value.get(name)) for name in _LABELS):
        return [dict(value)]
    counts = {name: len(listed) for name, listed in lists.items()}
    read = {name: listed for name, listed in lists.items() if name in (*labels, *_CORNERS, *_SIZES, *SIDES)}
    if len({len(listed) for listed in read.values()}) > 1:
        shown = ", ".join(f"{counts[name]} in '{name}'" for name in read)
        raise DataError(f"{place}: its lists have different lengths ({shown}); give one value for each box in all")
    return (dict(zip(read, cells, strict=True)) for cells in zip(*read.values(), strict=True))


def _missing(value: Any) -> bool:
    return not isinstance(value, (list, tuple, np.ndarray, Mapping)) and is_missing(value)


def _box_of(place: str, item: Any) -> list[Any]:
    if not isinstance(item, Mapping):
        raise DataError(f"{place} is {str(item)[:60]}, no object; {_ALLOWED}")
    label = next((name for key in _LABELS if (name := label_name(place, item.get(key))) is not None), None)
    if label is None:
        raise DataError(f"{place} has no class: {str(dict(item))[:80]}; give its name as 'label'")
    return [label, *_sides_of(f"{place} ('{label[:40]}')", item)]


def _sides_of(place: str, item: Mapping[str, Any]) -> list[float]:
    """Returns left, top, right and bottom."""
    key = next((key for key in (*_CORNERS, *_SIZES) if not _missing(item.get(key))), None)
    cell: Any = item if key is None else item[key]
    if isinstance(cell, Mapping):
        cell = [cell.get(side) for side in SIDES]
    numbers = _numbers(_listed(cell) or ())
    if numbers is None:
        shown = {name: part for name, part in item.items() if name not in _LABELS}
        raise DataError(f"{place} is {str(shown)[:80]}; four numbers are needed; {_ALLOWED}")
    left, top, right, bottom = numbers
    if key in _SIZES:
        if right < 0 or bottom < 0:
            sizes = f"a width of {right:g} and a height of {bottom:g}"
            raise DataError(f"{place} has {sizes}; '{key}' is [left, top, width, height], and sizes are not negative")
        return [left, top, left + right, top + bottom]
    if right < left or bottom < top:
        sides = f"[{left:g}, {top:g}, {right:g}, {bottom:g}]"
        raise DataError(
            f"{place} is {sides}, whose right side is left of its left one, or its bottom above its top; sides are "
            "[left, top, right, bottom]: where the last two are width and height, call the key 'bbox'"
        )
    return numbers


def _numbers(cells: Sequence[Any]) -> list[float] | None:
    """Returns four finite numbers; None for anything else."""
    numbers = [float(cell) if isinstance(cell, (int, float, np.number)) else _of_text(cell) for cell in cells]
    return numbers if len(numbers) == 4 and bool(np.isfinite(numbers).all()) else None


def _of_text(cell: Any) -> float:
    number = number_of(cell) if isinstance(cell, str) else None
    return float("nan") if number is None else float(number)
