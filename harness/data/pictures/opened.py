"""Opens one picture of an unknown source: bytes in, upright 8-bit colour out, or a message that says what is wrong.

Formats are few, sizes are checked before a pixel is decoded, and nothing but the given bytes is read.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DataError, MissingPackage

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FORMATS", "MAX_PIXELS", "MAX_SIDE", "open_picture", "picture_size", "pillow"]

#: The formats that are read, as Pillow calls them. Others can run programs (EPS), or hold no one picture.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
#: The most pixels of a picture (decoded they are three bytes each), and the longest side.
MAX_PIXELS, MAX_SIDE = 80_000_000, 32_768
_REMEDY = "save it as 8-bit PNG or JPEG, or leave its row out"
_LFS = b"version https://git-lfs."
_ORIENTATION = 0x0112
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")


def pillow() -> Any:
    """Returns the module PIL.Image.

    Raises:
        MissingPackage: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackage(
            "picture files need the package pillow: pip install 'finetune-harness[images]'; "
            "or give a table with rows of pixels"
        ) from error
    return Image


def open_picture(place: str, content: bytes, seen: Counter[str] | None = None) -> Image:
    """Returns a picture in mode RGB, upright as its EXIF orientation says; of an animation the first picture.

    Grey is repeated in all three channels, 16 bits become 8, and transparency is left out, which is what transformers
    does too.

    Args:
        place: begins messages: table, row, column and name.
        content: the bytes of its file.
        seen: counts what was changed, by a few words each.

    Raises:
        DataError: it is no picture, broken, too large, or of values without a known range.
        MissingPackage: Pillow is not installed.
    """
    seen = Counter() if seen is None else seen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _header(place, content)
        from PIL import ImageOps

        try:
            if getattr(image, "is_animated", False) and image.format != "MPO":  # two views of a camera
                seen["animated, and the first picture is read"] += 1
            image.load()
            if _orientation(image) > 1:
                seen["turned upright, as EXIF says"] += 1
            upright = ImageOps.exif_transpose(image)
        except Exception as error:  # the same for broken data
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            remedy = "copy the file again, or leave its row out"
            raise DataError(f"{place}: is broken or cut off ({image.format}: {reason}); {remedy}") from error
        return _in_colour(place, upright, seen)


def picture_size(place: str, content: bytes) -> tuple[int, int]:
    """Returns height and width of a picture as it stands upright; no pixel is decoded. See `open_picture`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _header(place, content)
        is_turned = _orientation(image) > 4
    return image.size if is_turned else image.size[::-1]


def _header(place: str, content: bytes) -> Image:
    """Opens a picture whose pixels are not decoded yet; its format and its size are allowed."""
    images = pillow()
    try:
        image: Image = images.open(io.BytesIO(content), formats=FORMATS)
    except images.DecompressionBombError:
        raise DataError(f"{place}: has more than {MAX_PIXELS:,} pixels; save it smaller") from None
    except Exception as error:  # Pillow's readers raise anything for broken headers
        raise DataError(_no_picture(place, content)) from error
    _check_size(place, *image.size)
    return image


def _orientation(image: Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 where it has none that is one."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF data
        return 1
    return found if found in range(1, 9) else 1


def _check_size(place: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise DataError(f"{place}: has no pixels ({width} x {height}); {_REMEDY}")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        allowed = f"at most {MAX_PIXELS:,} pixels, and {MAX_SIDE:,} a side"
        raise DataError(f"{place}: is {width:,} x {height:,} pixels large; allowed: {allowed}; save it smaller")


def _in_colour(place: str, image: Image, seen: Counter[str]) -> Image:
    """Returns a picture of any mode in RGB."""
    if image.mode in ("I", "F"):
        kind = "real numbers" if image.mode == "F" else "32-bit numbers"
        raise DataError(f"{place}: its pixels are {kind}, whose range is not known; {_REMEDY}")
    if image.mode in _GREY_16:
        seen["of 16 bits, made 8"] += 1
        image = pillow().fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        seen["transparent, which is left out"] += 1
        image = image.convert("RGBA")
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise DataError(f"{place}: its colours ({image.mode}) are not read; {_REMEDY}") from error


def _no_picture(place: str, content: bytes) -> str:
    if content.startswith(_LFS):
        return f"{place}: is a Git LFS pointer, not the picture; fetch the pictures: git lfs pull"
    what = f"is no picture that can be read (it begins {content[:12]!r})"
    return f"{place}: {what}; allowed: {', '.join(FORMATS)}; {_REMEDY}"
