"""Picture files of every kind are converted to upright 8-bit colour, or refused with what is wrong and what to do."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from harness.data.pictures.opened import open_picture, pillow
from harness.errors import DataError, MissingPackage
from tests.data.pictures import made

PLACE = "imgs.csv: row 3: 'image': 'a.png'"
ONE = (200, 100, 50)


def pixels(content: bytes, seen: Counter[str] | None = None) -> np.ndarray:
    image = open_picture(PLACE, content, seen)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("orientation", range(9))
def test_a_turned_picture_is_made_upright(orientation: int) -> None:
    seen: Counter[str] = Counter()
    np.testing.assert_array_equal(pixels(made.turned(orientation), seen), made.PIXELS)
    assert bool(seen) == (orientation > 1)


CONVERTED = {
    "1x1": (made.saved(made.colour((1, 1))), ONE),
    "bmp": (made.saved(made.colour(), "BMP"), ONE),
    "webp": (made.saved(made.colour(), "WEBP", lossless=True), ONE),
    "ppm": (made.saved(made.colour(), "PPM"), ONE),
    "tiff": (made.saved(made.colour(), "TIFF"), ONE),
    "rgba": (made.saved(Image.new("RGBA", (3, 2), (*ONE, 0))), ONE),
    "palette": (made.saved(made.colour().convert("P", palette=Image.Palette.ADAPTIVE)), ONE),
    "palette with transparency": (made.palette_with_transparency(), ONE),
    "grey": (made.saved(Image.new("L", (3, 2), 77)), (77, 77, 77)),
    "grey with transparency": (made.saved(Image.new("LA", (3, 2), (77, 9))), (77, 77, 77)),
    "1-bit": (made.saved(Image.new("1", (3, 2), 1)), (255, 255, 255)),
    "animated": (made.animated(), (255, 0, 0)),
    "two pages": (
        made.saved(made.colour(), "TIFF", save_all=True, append_images=[made.colour(value=(0, 0, 0))]),
        ONE,
    ),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_a_usual_picture_becomes_colour(name: str) -> None:
    content, expected = CONVERTED[name]
    found = pixels(content)
    assert found.dtype == np.uint8 and found.shape[2] == 3
    np.testing.assert_array_equal(found, np.broadcast_to(np.array(expected, np.uint8), found.shape))


def test_16_bits_keep_their_range() -> None:
    seen: Counter[str] = Counter()
    assert pixels(made.grey_16(), seen)[0, :, 0].tolist() == [0, 100, 255]
    assert seen == {"of 16 bits, made 8": 1}


@pytest.mark.parametrize(("mode", "form"), [("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("L", "JPEG"), ("CMYK", "TIFF")])
def test_printers_colours_are_those_of_screens(mode: str, form: str) -> None:
    found = pixels(made.saved(made.colour((16, 16)).convert(mode), form))
    grey = made.colour((16, 16)).convert("L").convert("RGB") if mode == "L" else made.colour((16, 16))
    assert np.abs(found.astype(int) - np.asarray(grey)).max() <= 4


def test_what_was_changed_is_counted() -> None:
    seen: Counter[str] = Counter()
    for content in (made.animated(), made.palette_with_transparency(), made.turned(6), made.saved(made.colour())):
        pixels(content, seen)
    assert seen == {
        "animated, and the first picture is read": 1,
        "transparent, which is left out": 1,
        "turned upright, as EXIF says": 1,
    }


def _cut_off(form: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = made.saved(Image.fromarray(noise), form)
    return content[: len(content) // 2]


REFUSED = {
    "text": (b"no picture", "is no picture that can be read"),
    "html": (b"<html><body>404", "is no picture that can be read"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture that can be read"),
    "postscript, which is a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
    "psd": (b"8BPS\0\1" + b"\0" * 40, "is no picture"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    "a signature alone": (b"\x89PNG\r\n\x1a\n", "is no picture that can be read"),
    "cut off jpeg": (_cut_off("JPEG"), "is broken or cut off (JPEG"),
    "cut off png": (_cut_off("PNG"), "is broken or cut off (PNG"),
    "cut off webp": (_cut_off("WEBP"), "is "),
    "too many pixels": (made.bomb(), "has more than 80,000,000 pixels"),
    "too many for Pillow": (made.bomb(12_000, 12_000), "is 12,000 x 12,000 pixels large"),
    "too long": (made.bomb(40_000, 1), "is 40,000 x 1 pixels large"),
    "no pixels": (made.bomb(0, 5), "is "),
    "real numbers": (made.real_tiff("F"), "its pixels are real numbers"),
    "32-bit": (made.real_tiff("I"), "its pixels are 32-bit numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused(name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(DataError) as caught:
        pixels(content)
    assert str(caught.value).startswith(PLACE) and message in str(caught.value)
    assert "; " in str(caught.value)  # a remedy


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="pixels"):
            pixels(made.bomb(12_000, 12_000))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_without_pillow_the_install_line_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingPackage, match=r"pip install 'finetune-harness\[images\]'"):
        pillow()
