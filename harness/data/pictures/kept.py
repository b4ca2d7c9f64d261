"""The pictures of prepared data: the bytes of each, once, in one file beside the rows, which say where it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.data.pictures.find import Picture
from harness.data.pictures.opened import picture_size

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PICTURES", "checked", "keep", "median_size", "restore"]

#: The file of all pictures in a folder of prepared data.
PICTURES = "pictures.bin"


def checked(picture: Picture) -> Picture:
    """Returns a picture with the hash of its bytes and its size; its pixels are not decoded.

    Raises:
        DataError: it cannot be read, is no picture, or too large.
    """
    content = picture.read()
    size = picture_size(picture.place, content)
    return replace(picture, digest=hashlib.sha256(content).hexdigest(), size=size)


def keep(folder: Path, columns: Mapping[str, Iterable[Picture]]) -> dict[str, list[dict[str, Any]]]:
    """Writes all pictures to a file in `folder`; returns what the rows of each split keep of them, as JSON.

    Raises:
        DataError: one cannot be read any more.
    """
    starts: dict[str, tuple[int, int]] = {}
    with (folder / PICTURES).open("wb") as stream:
        return {split: [_kept(stream, picture, starts) for picture in column] for split, column in columns.items()}


def _kept(stream: BinaryIO, picture: Picture, starts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    digest = picture.sha256()
    if digest not in starts:
        content = picture.read()
        starts[digest] = stream.tell(), len(content)
        stream.write(content)
    start, length = starts[digest]
    return {"name": picture.name, "digest": digest, "start": start, "length": length}


def restore(frame: pd.DataFrame, folder: Path, source: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Returns rows with the pictures that `keep` wrote.

    Args:
        frame: the rows of a split.
        folder: the folder of the prepared data.
        source: the name of the data, for messages.
        columns: the names of the columns in the source.
    """
    import pandas as pd

    file = folder / PICTURES
    if not len(frame) or not file.is_file():
        return frame
    rows = frame["row"] if "row" in frame else range(1, len(frame) + 1)
    first = {str(name): frame[name].iloc[0] for name in frame}
    for name in [name for name, value in first.items() if isinstance(value, dict) and "digest" in value]:
        column = columns.get(name, name)
        pictures: list[Any] = [
            Picture(**kept, place=f"{source}: row {row}: '{column}': '{kept['name']}'", file=file)
            for row, kept in zip(rows, frame[name], strict=True)
        ]
        frame = frame.assign(**{name: pd.Series(pictures, dtype=object, index=frame.index)})
    return frame


def median_size(pictures: Iterable[Picture]) -> tuple[int, int]:
    """Returns the medians of the heights and of the widths of checked pictures, at least one."""
    sizes = [picture.size for picture in pictures if picture.size is not None]
    heights, widths = (sorted(side) for side in zip(*sizes, strict=True))
    return heights[len(heights) // 2], widths[len(widths) // 2]
