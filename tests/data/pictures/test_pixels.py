"""Pictures get one size as the processors of transformers give it, one at a time, in an array on disk."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.data.pictures.fit import Fit, fitted
from harness.data.pictures.pixels import notes_of, pixels_of
from harness.errors import DataError
from tests.data.pictures import made


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("height", "width"), [(40, 30), (17, 90), (32, 32), (9, 5), (1, 1)])
@pytest.mark.parametrize(
    ("fit", "keys"),
    [
        (Fit(resize=(24, 20), resample=3), {"size": {"height": 24, "width": 20}, "resample": 3}),
        (
            Fit(resize=26, crop=(24, 24)),
            {"size": {"shortest_edge": 26}, "do_center_crop": True, "crop_size": {"height": 24, "width": 24}},
        ),
        (
            Fit(resize=None, crop=(24, 21)),
            {"do_resize": False, "do_center_crop": True, "crop_size": {"height": 24, "width": 21}},
        ),
    ],
)
def test_sizes_are_those_of_transformers(height: int, width: int, fit: Fit, keys: dict[str, Any]) -> None:
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    image = noise(height, width)
    process = ViTImageProcessorPil(do_rescale=False, do_normalize=False, **keys)
    expected = process(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    np.testing.assert_array_equal(fitted(image, fit), expected)
    assert fitted(image, fit).shape[:2] == fit.size


def test_pixels_are_on_disk_and_in_order(tmp_path: Path) -> None:
    contents = [made.saved(made.colour(value=(value, 0, 0))) for value in (10, 20, 30)]
    found, seen = pixels_of((("p", content) for content in contents), 3, Fit(resize=(4, 5)), tmp_path)
    assert isinstance(found, np.memmap) and found.shape == (3, 4, 5, 3) and found.dtype == np.uint8
    assert found[:, 0, 0, 0].tolist() == [10, 20, 30] and not seen
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
    assert pixels_of(iter(()), 0, Fit(resize=(4, 5)))[0].shape == (0, 4, 5, 3)


def test_memory_is_that_of_one_picture(tmp_path: Path) -> None:
    content = made.saved(noise(300, 300))

    def peak(number: int) -> int:
        tracemalloc.start()
        pixels_of((("p", content) for _ in range(number)), number, Fit(resize=(100, 100)), tmp_path)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(60) < peak(2) + 100_000  # 60 of them are 16 MB decoded, and 1.8 MB small


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    def pictures() -> Iterator[tuple[str, bytes]]:
        yield "t.csv: row 1: 'image': '1.png'", made.saved(made.colour())
        yield "t.csv: row 2: 'image': '2.png'", b"text"

    with pytest.raises(DataError, match=r"^t\.csv: row 2: 'image': '2\.png': is no picture"):
        pixels_of(pictures(), 2, Fit(resize=(4, 4)), tmp_path)


def test_changes_are_told() -> None:
    _, seen = pixels_of([("p", made.animated())], 1, Fit(resize=(4, 4)))
    assert notes_of(seen, 1) == ["1 of 1 pictures are animated, and the first picture is read"]
