"""Small pictures in pages: few bytes, and nothing but a JPEG is believed."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from harness.data.pictures.find import Picture
from harness.data.pictures.thumbnail import thumbnail
from harness.report.lenses.pictures import is_small_jpeg
from tests.data.pictures import made


def test_a_thumbnail_is_a_small_jpeg() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8))
    uri = thumbnail(Picture("a", "a", content=made.saved(noise)))
    assert is_small_jpeg(uri) and len(uri) < 16_000
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert image.format == "JPEG" and image.size == (72, 96)
    assert is_small_jpeg(thumbnail(Picture("a", "a", content=made.saved(made.colour((1, 1))))))


@pytest.mark.parametrize(
    "value",
    ["", None, 3, "javascript:alert(1)", "data:image/svg+xml;base64,AAAA", 'data:image/jpeg;base64,AA"onload="x',
     "https://example.org/a.jpg", "data:image/jpeg;base64," + "A" * 40_000],
)  # fmt: skip
def test_other_texts_are_no_thumbnails(value: object) -> None:
    assert not is_small_jpeg(value)
