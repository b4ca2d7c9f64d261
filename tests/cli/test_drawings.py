"""Pictures with the boxes that a model predicts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from harness.cli.drawings import check_draws, draw
from harness.data.pictures.find import Picture
from harness.errors import InputError


def export(*columns: str) -> Any:
    return cast(Any, SimpleNamespace(folder=Path("model"), task="some-task", value_columns=columns))


def test_boxes_are_drawn_where_they_are(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "black").save(tmp_path / "a b.png")
    picture = Picture("in/a b.png", "a b.png", file=tmp_path / "a b.png")
    box = {"label": "cat", "box": [10.0, 5.0, 50.0, 35.0], "score": 0.9}
    folder = tmp_path / "out"
    check_draws(export("boxes"), folder)
    rows = [{"image": picture}, None, {"image": picture}]
    assert draw(folder, rows, [{"boxes": [box]}, {"boxes": None}, {"boxes": []}], ["cat"]) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["a_b-1.png", "a_b.png"]
    pixels = np.asarray(Image.open(folder / "a_b.png"))
    assert pixels[35, 10:51].any(axis=1).all()
    assert not pixels[37:].any()
    assert not np.asarray(Image.open(folder / "a_b-1.png")).any()


def test_models_without_boxes_and_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--draw: model is a model for some-task, which predicts no boxes"):
        check_draws(export("label"), tmp_path)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"--draw .*file cannot be written"):
        check_draws(export("boxes"), tmp_path / "file")
    check_draws(export("label"), None)
