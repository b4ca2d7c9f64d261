"""Small picture files of every kind, made in memory."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

#: Three by two pixels, no two the same, so that a turned or mirrored picture is another one.
PIXELS = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[250, 250, 0], [0, 250, 250], [30, 60, 90]]], dtype=np.uint8
)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def colour(size: tuple[int, int] = (3, 2), value: tuple[int, int, int] = (200, 100, 50)) -> Image.Image:
    return Image.new("RGB", size, value)


def of_pixels() -> Image.Image:
    return Image.fromarray(PIXELS)


def turned(orientation: int) -> bytes:
    """A lossless picture with an EXIF orientation; upright it is `PIXELS`."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image, exif = of_pixels(), Image.Exif()
    exif[0x0112] = orientation
    return saved(image.transpose(undo[orientation]) if orientation in undo else image, "PNG", exif=exif)


def grey_16() -> bytes:
    return saved(Image.fromarray(np.array([[0, 25_700, 65_535]], dtype=np.uint16)))


def real_tiff(mode: str = "F") -> bytes:
    return saved(Image.new(mode, (3, 2), 1), "TIFF")


def animated() -> bytes:
    frames = [colour(value=(255, 0, 0)), colour(value=(0, 0, 255))]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def palette_with_transparency() -> bytes:
    image = Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return saved(image, transparency=1)


def bomb(width: int = 100_000, height: int = 100_000) -> bytes:
    """A PNG of few bytes that says it is huge."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
