"""Small pictures as text that stands in a page: a few kilobytes of JPEG each, as a data URI."""

from __future__ import annotations

import base64
import io
import re

from harness.data.pictures.find import Picture
from harness.data.pictures.opened import open_picture

__all__ = ["MAX_SIDE", "is_thumbnail", "thumbnail"]

#: The longest side of a thumbnail in pixels, and the quality of its JPEG.
MAX_SIDE, QUALITY = 96, 80
#: The most characters of a thumbnail: noise of that size takes half of them.
_MAX_LENGTH = 32_768
_URI = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")


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


def is_thumbnail(value: object) -> bool:
    """True for a text that `thumbnail` may have returned: it holds nothing but a small JPEG."""
    return isinstance(value, str) and len(value) <= _MAX_LENGTH and _URI.fullmatch(value) is not None
