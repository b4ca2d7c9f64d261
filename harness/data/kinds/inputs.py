"""The kinds of fields that models read: texts and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.data.clean import normalised
from harness.data.kinds.base import Kind
from harness.data.pictures.find import Picture
from harness.data.pictures.kept import checked
from harness.data.values import as_text, is_missing
from harness.errors import DataError

__all__ = ["Image", "Text"]


class Text(Kind):
    """Texts, as str. Two are the same when they differ in case, white space or Unicode form only."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns texts; numbers and dates become text."""
        return [
            None if is_missing(value) else as_text(f"{place}: row {row}: '{column}'", value, column)
            for row, value in enumerate(values, start=1)
        ]

    def same(self, value: Any) -> str:
        """Returns the text after normalisation."""
        return normalised(value)


class Image(Kind):
    """Images: pictures of any size; or nested lists [height][width] or [height][width][channels] of one shape, 0..255.

    Two pictures are the same when their bytes are.
    """

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns pictures with their sizes, of which no pixel is decoded; pixels as nested lists of int."""
        if any(isinstance(value, Picture) for value in values):
            return [None if value is None else checked(value) for value in values]
        images: list[np.ndarray] = []
        for row, value in enumerate(values, start=1):
            image = _as_image(f"{place}: row {row}: '{column}'", value)
            if images and image.shape != images[0].shape:
                raise DataError(
                    f"{place}: row {row}: '{column}' has shape {image.shape}, row 1 has {images[0].shape}; "
                    "resize all images to one shape"
                )
            images.append(image)
        return [image.tolist() for image in images]

    def same(self, value: Any) -> str:
        """Returns the hash of a picture's bytes, or the pixels as text."""
        return value.sha256() if isinstance(value, Picture) else str(value)


def _as_image(place: str, value: Any) -> np.ndarray:
    """Returns an image [height, width] or [height, width, channels] uint8."""
    try:
        image = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        image = np.empty(0)
    if image.ndim not in (2, 3) or not image.size or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise DataError(
            f"{place} is no image: {str(value)[:40]!r}; allowed: rows of pixels, "
            "[height][width] or [height][width][1 or 3], in a JSONL or Parquet table; or paths of pictures in all rows"
        )
    if image.min() < 0 or image.max() > 255 or (image != np.round(image)).any():
        raise DataError(f"{place} has pixels that are not whole numbers from 0 to 255")
    return image.astype(np.uint8)
