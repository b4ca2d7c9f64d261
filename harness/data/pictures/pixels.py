"""The pixels of many pictures, in an array on disk: one picture is decoded at a time, and memory stays flat."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from harness.data.pictures.fit import Fit, fitted
from harness.data.pictures.opened import open_picture

__all__ = ["notes_of", "pixels_of"]


def pixels_of(
    pictures: Iterable[tuple[str, bytes]], num_pictures: int, fit: Fit, folder: Path | None = None
) -> tuple[np.ndarray, Counter[str]]:
    """Returns the pixels [pictures, height, width, 3] uint8, memory-mapped, and counts of what was changed.

    The file of the array has no name: it is gone with the array.

    Args:
        pictures: a place for messages and the bytes of each.
        num_pictures: how many they are.
        fit: how each gets its size.
        folder: the folder whose disk holds the array; None is the folder of temporary files.

    Raises:
        DataError: a picture cannot be read; the message begins with its place.
        MissingPackage: Pillow is not installed.
    """
    seen: Counter[str] = Counter()
    shape = (num_pictures, *fit.size, 3)
    if not num_pictures:
        return np.zeros(shape, dtype=np.uint8), seen
    with tempfile.TemporaryFile(dir=folder) as file:
        pixels = np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)
    for number, (place, content) in enumerate(pictures):
        pixels[number] = fitted(open_picture(place, content, seen), fit)
    return pixels, seen


def notes_of(seen: Counter[str], num_pictures: int) -> list[str]:
    """Returns a sentence for each kind of change to pictures."""
    return [f"{count} of {num_pictures} pictures are {what}" for what, count in seen.items()]
