"""Resizes and cuts a picture to the size that a checkpoint wants, as the image processors of transformers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Fit", "fitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a picture gets its size: resized, then cut around its middle.

    `resize` is [height, width], or the length of the shorter side; None: as it is. `crop` is [height, width] of the
    part that is kept; None: all. `resample` is Pillow's number of the filter (2 bilinear, 3 bicubic).
    """

    resize: tuple[int, int] | int | None
    crop: tuple[int, int] | None = None
    resample: int = 2

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what `fitted` returns.

        Raises:
            ValueError: pictures of several sizes come out.
        """
        if self.crop is None and not isinstance(self.resize, tuple):
            raise ValueError("one size is needed: a crop, or a height and a width")
        return self.crop or self.resize  # type: ignore[return-value]


def fitted(image: Image, fit: Fit) -> np.ndarray:
    """Returns the pixels of a picture in RGB, [height, width, 3] uint8; what a crop has beyond the picture is black."""
    if fit.resize is not None:
        height, width = fit.resize if isinstance(fit.resize, tuple) else _by_shorter(image, fit.resize)
        image = image.resize((width, height), fit.resample)
    pixels = np.asarray(image)
    return pixels if fit.crop is None else _cut(pixels, *fit.crop)


def _by_shorter(image: Image, length: int) -> tuple[int, int]:
    """Returns height and width with the shorter side `length`, and the ratio of the sides kept."""
    width, height = image.size
    longer = int(length * max(width, height) / min(width, height))
    return (length, longer) if height <= width else (longer, length)


def _cut(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = pixels.shape[:2]
    pad_rows, pad_columns = max(0, height - rows), max(0, width - columns)
    if pad_rows or pad_columns:
        above, left = -(-pad_rows // 2), -(-pad_columns // 2)
        pixels = np.pad(pixels, ((above, pad_rows - above), (left, pad_columns - left), (0, 0)))
        rows, columns = pixels.shape[:2]
    top, left = (rows - height) // 2, (columns - width) // 2
    return pixels[top : top + height, left : left + width]
