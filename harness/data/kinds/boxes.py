"""The kind of fields that hold the boxes around the objects of a picture, each with the name of a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.kinds.base import Kind
from harness.data.kinds.box_cells import boxes_of
from harness.data.kinds.label import MAX_LABELS
from harness.data.kinds.spellings import alike_note, doubtful_note, natural_order
from harness.data.pictures.find import Picture
from harness.data.pictures.opened import picture_size
from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Boxes"]


class Boxes(Kind):
    """Boxes, as lists of [class, left, top, right, bottom] in pixels, empty where a picture has no object.

    Prepared data holds ids for the names of classes.
    """

    target = "boxes"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the boxes of each picture."""
        return [boxes_of(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(values, start=1)]

    def parts(self, value: Any) -> Sequence[Any]:
        """Returns the cell itself: `hidden_target` compares whole cells."""
        return [str(value)]

    def same(self, value: Any) -> str:
        """Returns one text for all boxes: hardly two pictures have the same, so none tells that a split hides them."""
        return "boxes"

    def placed(
        self, place: str, column: str, values: Sequence[Any], rows: Sequence[int], inputs: pd.DataFrame
    ) -> tuple[list[Any], list[str]]:
        """Returns the boxes cut to their pictures, without those of no area, and notes on both.

        Raises:
            DataError: more than half of a box is outside of its picture.
        """
        cut, empty = Counter[int](), Counter[int]()
        found = []
        for row, boxes, picture in zip(rows, values, inputs.iloc[:, -1], strict=True):
            height, width = _size(picture)
            kept = []
            for at, (label, *sides) in enumerate(boxes, start=1):
                left, top, right, bottom = sides
                inside = [min(max(left, 0.0), width), min(max(top, 0.0), height)]
                inside += [min(max(right, 0.0), width), min(max(bottom, 0.0), height)]
                area, left_over = (max(0.0, (box[2] - box[0]) * (box[3] - box[1])) for box in (sides, inside))
                if area and left_over < area / 2:
                    where = f"{place}: row {row}: '{column}': box {at} ('{label[:40]}')"
                    raise DataError(_outside(where, sides, width, height))
                if not left_over:
                    empty[row] += 1
                    continue
                cut[row] += inside != sides
                kept.append([label, *inside])
            found.append(kept)
        notes = [
            f"{place}: '{column}': {sum(counts.values())} boxes {what} (first: row {min(counts)})"
            for counts, what in (
                (+cut, "reach beyond their pictures, and are cut at the edge"),
                (+empty, "have no area, and are left out"),
            )
            if counts
        ]
        return found, notes

    def names(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Returns the names of the classes, as a person would list them."""
        return tuple(natural_order({box[0] for boxes in values for box in boxes}))

    def notes(self, column: str, values: Sequence[Any]) -> list[str]:
        """Lists the classes that may be one under two spellings, and those that may stand for no class."""
        names = [box[0] for boxes in values for box in boxes]
        return [*alike_note(column, names), *doubtful_note(column, names)]

    def known(self, names: Sequence[str]) -> list[Any] | None:
        """Returns a picture with a box of each class."""
        return [[[name, 0.0, 0.0, 1.0, 1.0] for name in names]]

    def stored(self, values: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """Returns boxes with the ids of their classes; None for a picture with a class that `names` lack."""
        ids = {name: number for number, name in enumerate(names)}
        return [
            [[float(ids[box[0]]), *box[1:]] for box in boxes]
            if boxes is not None and ids.keys() >= {box[0] for box in boxes}
            else None
            for boxes in values
        ]

    def counts(self, values: Sequence[Any], names: Sequence[str]) -> dict[str, int]:
        """Returns the boxes of each class."""
        counts = Counter(box[0] for boxes in values for box in boxes)
        return {name: counts[name] for name in names}

    def split_notes(self, values: Mapping[str, Sequence[Any]]) -> list[str]:
        """Lists the classes that train lacks, and how many pictures have no object."""
        kinds = {split: {box[0] for boxes in rows for box in boxes} for split, rows in values.items()}
        notes = [
            f"the class '{kind[:40]}' is in {split} but not in train: it cannot be learned"
            for split in ("validation", "test")
            for kind in natural_order(kinds[split] - kinds["train"])
        ]
        empty = {split: sum(not boxes for boxes in rows) for split, rows in values.items()}
        return notes + [
            f"{split}: {count} of {len(values[split])} pictures have no object"
            for split, count in empty.items()
            if count
        ]

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses pictures of which none has a box, too many classes, and boxes that are shares of their pictures."""
        sides = [side for boxes in values for box in boxes for side in box[1:]]
        if not sides:
            raise DataError(f"{place}: no picture has a box in '{column}'; there is nothing to learn")
        if max(sides) <= 1:
            raise DataError(
                f"{place}: no side of a box in '{column}' is above {max(sides):g}: they are shares of the picture; "
                "multiply them by its width and height, because boxes are in pixels"
            )
        names = self.names(values)
        if len(names) > MAX_LABELS:
            raise DataError(f"{place}: '{column}' has {len(names)} classes; at most {MAX_LABELS} are allowed")

    def check_split(self, values: Sequence[Any]) -> None:
        """Refuses pictures of which none has a box."""
        if not any(len(boxes) for boxes in values):
            raise DataError("no picture of the training split has a box after splitting; give more pictures with some")

    def strata(self, values: Sequence[Any]) -> np.ndarray:
        """Returns the rarest class of each picture, by name or by id; empty or -1 for one without a box."""
        kinds = [{box[0] for box in boxes} for boxes in values]
        pictures = Counter(kind for of_picture in kinds for kind in of_picture)
        none: Any = "" if any(isinstance(kind, str) for kind in pictures) else -1
        rarest = [min(of_picture, key=lambda kind: (pictures[kind], kind), default=none) for of_picture in kinds]
        return np.asarray(rarest)


def _size(picture: Any) -> tuple[int, int]:
    """Returns height and width of a picture, or of rows of pixels."""
    if isinstance(picture, Picture):
        return picture.size or picture_size(picture.place, picture.read())
    return len(picture), len(picture[0])


def _outside(where: str, sides: Sequence[float], width: int, height: int) -> str:
    box = ", ".join(f"{side:g}" for side in sides)
    return (
        f"{where} is [{box}] (left, top, right, bottom), more than half outside of its picture, which is {width} wide "
        f"and {height} high; correct it, or leave it out; where the last two are width and height, call the key 'bbox'"
    )
