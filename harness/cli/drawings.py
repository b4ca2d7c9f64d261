"""Writes pictures with the boxes that a model predicts: `harness predict --draw`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.pictures.find import Picture
from harness.data.pictures.opened import open_picture
from harness.errors import InputError
from harness.jobs.predict import Export, Row

__all__ = ["check_draws", "draw"]

#: One colour for each class, in turn.
_COLOURS = ("#e6194b", "#4363d8", "#3cb44b", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#bcbd22")
_UNFIT = re.compile(r"[^\w.-]+")


def check_draws(export: Export, folder: Path | None) -> None:
    """Refuses a folder for drawings of a model without boxes, and one that cannot be written.

    Raises:
        InputError: with the remedy.
    """
    if folder is None:
        return
    if "boxes" not in export.value_columns:
        raise InputError(f"--draw: {export.folder} is a model for {export.task}, which predicts no boxes; leave it out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--draw {folder} cannot be written: {error.strerror}") from None


def draw(folder: Path, rows: Sequence[Row], predictions: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """Writes a PNG of each picture with its boxes, classes and scores, and returns how many there are.

    A file is called as its picture; a name that is taken gets a number.
    """
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}
    taken: set[str] = set()
    for row, prediction in zip(rows, predictions, strict=True):
        picture = next((value for value in (row or {}).values() if isinstance(value, Picture)), None)
        if picture is None:
            continue
        stem = _UNFIT.sub("_", Path(picture.name.replace("\\", "/")).stem).strip(".") or "picture"
        name = next(name for at in range(len(rows) + 1) if (name := f"{stem}-{at}" if at else stem) not in taken)
        taken.add(name)
        path = folder / f"{name}.png"
        try:
            _drawn(picture, prediction["boxes"], colours).save(path, "PNG")
        except OSError as error:
            raise InputError(f"--draw {path} cannot be written: {error.strerror or error}") from None
    return len(taken)


def _drawn(picture: Picture, boxes: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> Any:
    """Returns a picture with boxes; the surest is drawn last."""
    image = open_picture(picture.place, picture.read())
    from PIL import ImageDraw

    brush, width = ImageDraw.Draw(image), max(1, round(max(image.size) / 400))
    for box in reversed(boxes):
        colour = colours.get(box["label"], _COLOURS[0])
        brush.rectangle(box["box"], outline=colour, width=width)
        text, at = f"{box['label']} {box['score']:.2f}", (box["box"][0] + width + 1, box["box"][1] + width)
        brush.rectangle(brush.textbbox(at, text), fill="white")
        brush.text(at, text, fill=colour)
    return image
