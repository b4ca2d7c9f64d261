"""Small pictures as text that stands in a page: a few kilobytes of JPEG each, as a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.data.pictures.find import Picture
from harness.data.pictures.opened import open_picture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAX_SIDE", "thumbnail", "thumbnails"]

#: The longest side of a thumbnail in pixels, and the quality of its JPEG.
MAX_SIDE, QUALITY = 96, 80


def thumbnail(picture: Picture) -> str:
    """Returns a small copy of a picture as a data URI.

    Raises:
        DataError: it cannot be read.
    """
    image = open_picture(picture.place, picture.read())
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def thumbnails(rows: Iterable[int], frame: pd.DataFrame) -> dict[int, str]:
    """Returns a small copy of the picture of each of `rows` of a split's frame; none where its rows are no pictures."""
    columns = [name for name in frame if len(frame) and isinstance(frame[name].iloc[0], Picture)]
    return {row: thumbnail(frame[columns[0]].iloc[row]) for row in rows} if columns else {}
