"""Copies of a few pictures as JPEG, large enough to see boxes on them, for a page that holds them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from harness.data.pictures.find import Picture
from harness.data.pictures.opened import open_picture

__all__ = ["MAX_BYTES", "NUM_SHOWN", "for_boxes"]

#: So many pictures are shown, and take together at most so many bytes of a page, as base64.
NUM_SHOWN, MAX_BYTES = 6, 400 * 1024
_SIDE = 480
_QUALITIES = (85, 70, 50, 30)


def for_boxes(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Returns six of the pictures, spread evenly over all, as JSON.

    Each has `row`, `height` and `width` of the whole picture, and `jpeg`, in base64.
    """
    count = min(NUM_SHOWN, len(pictures))
    found = []
    for row in (at * len(pictures) // count for at in range(count)):
        image = open_picture(pictures[row].place, pictures[row].read())
        jpeg = base64.b64encode(_jpeg(image, MAX_BYTES // count * 3 // 4 - 3)).decode()
        found.append({"row": row, "height": image.height, "width": image.width, "jpeg": jpeg})
    return found


def _jpeg(image: Any, most: int) -> bytes:
    """Returns an image as JPEG of at most `most` bytes: smaller, then coarser, then smaller still."""
    side = _SIDE
    while True:
        small = image.copy()
        small.thumbnail((side, side))
        for quality in _QUALITIES:
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=quality)
            if stream.tell() <= most or side <= 16:
                return stream.getvalue()
        side //= 2
