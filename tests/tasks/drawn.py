"""Pictures of shapes, drawn by code, with the boxes around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"circle": (210, 60, 40), "square": (40, 90, 210)}


def drawn(folder: Path, number: int, side: int = 64, most: int = 3) -> dict[str, Any]:
    """A row: the path of a picture with some shapes, drawn into `folder`, and their boxes."""
    rng = np.random.default_rng(number)
    image = Image.new("RGB", (side, side), tuple(int(value) for value in rng.integers(200, 256, 3)))
    brush, boxes = ImageDraw.Draw(image), []
    for _ in range(int(rng.integers(1, most + 1))):
        kind = ("circle", "square")[int(rng.integers(2))]
        width, height = (int(value) for value in rng.integers(side // 6, side // 2, 2))
        left, top = int(rng.integers(0, side - width)), int(rng.integers(0, side - height))
        box = [left, top, left + width, top + height]
        (brush.ellipse if kind == "circle" else brush.rectangle)(box, fill=COLOURS[kind])
        boxes.append({"label": kind, "box": box})
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{number}.png")
    return {"image": f"{folder.name}/{number}.png", "boxes": boxes}
