"""Images as a model's examples: pictures at the size that it reads, and rows of pixels as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.encoded import MOST_ROWS, Arrays, Encoded
from harness.data.pictures.find import Picture
from harness.data.pictures.pixels import notes_of, pixels_of
from harness.tasks.pictures.processor import Rules

__all__ = ["are_pictures", "encoded_images", "pixels_of_lists"]

#: The most pixels of an evaluation batch: a convolution makes hundreds of bytes of each.
_MOST_PIXELS = 64 * 224 * 224


def are_pictures(images: Iterable[Any]) -> bool:
    """True for a column of pictures, False for rows of pixels."""
    return isinstance(next(iter(images), None), Picture)


def encoded_images(
    images: Sequence[Any], targets: Arrays, rules: Rules, folder: Path | None = None, split: str = "pictures"
) -> Encoded:
    """Returns the pixels of images [rows, height, width, channels] uint8, and how a batch is scaled.

    Args:
        images: pictures, which get their size, or rows of pixels, which stay as they are.
        targets: those of the rows.
        rules: what is done to a picture.
        folder: the folder whose disk holds the pixels of pictures; None is that of temporary files.
        split: what the notes on changes begin with.

    Raises:
        DataError: a picture cannot be read.
    """
    stats = {
        "size": list(rules.fit.size),
        "num_channels": len(rules.mean),
        "mean": rules.mean,
        "std": rules.std,
        "is_flipped": rules.is_flipped,
        MOST_ROWS: max(1, _MOST_PIXELS // (rules.fit.size[0] * rules.fit.size[1])),
    }
    if are_pictures(images):
        contents = ((picture.place, picture.read()) for picture in images)
        pixels, seen = pixels_of(contents, len(images), rules.fit, folder)
        stats["notes"] = [f"{split}: {note}" for note in notes_of(seen, len(images))]
    else:
        pixels = pixels_of_lists(images)
    lengths = np.ones(len(pixels), dtype=np.int32)
    return Encoded(fields={"pixel_values": pixels}, targets=targets, lengths=lengths, stats=stats)


def pixels_of_lists(images: Any) -> np.ndarray:
    """Returns [rows, height, width, channels] uint8 of nested lists; grey images get their one channel."""
    stacked = np.array([_nested(image) for image in images], dtype=np.uint8)
    return stacked[..., None] if stacked.ndim == 3 else stacked


def _nested(image: Any) -> Any:
    """Returns an image as nested lists: Parquet gives nested arrays of objects, which numpy does not stack."""
    return [_nested(part) for part in image] if isinstance(image, np.ndarray) and image.dtype.hasobject else image
