from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.records.exported import ExportManifest, read_export, write_export
from harness.stats.intervals import unknown

KEPT = Path(__file__).parents[1] / "kept" / "finished" / "best"
#: What a prediction needs.
LEAST: dict[str, Any] = {"task": "text-classification", "labels": ["no", "yes"], "preprocess": [], "max_length": 16}


def test_export_of_the_version_before_is_read() -> None:
    raw = json.loads((KEPT / "manifest.json").read_text(encoding="utf-8"))
    manifest = read_export(KEPT)
    assert raw["columns"] == {"text": "text", "text_pair": None, "label": "label"}
    assert manifest.columns == {"text": "text", "label": "label"}
    assert (manifest.step, manifest.total_steps) == (None, None)
    assert manifest.test is not None and manifest.test["accuracy"].low == raw["test"]["accuracy"]["low"]
    changed = {"columns": manifest.columns, "step": None, "total_steps": None, "form": {}, "refit": None}
    assert manifest.model_dump(mode="json") == raw | changed, "everything else is as it is on disk"


def test_export_is_written_as_it_is_read(tmp_path: Path) -> None:
    manifest = read_export(KEPT).model_copy(update={"step": 3, "total_steps": 4})
    write_export(tmp_path, manifest)
    assert read_export(tmp_path) == manifest
    keys = list(json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8")))
    assert keys[:3] == ["study", "trial", "task"] and keys[-1] == "files"


def test_export_keeps_a_score_whose_interval_is_not_known(tmp_path: Path) -> None:
    manifest = ExportManifest(**LEAST, columns={}, validation={"mcc": math.nan}, test={"mcc": unknown(0.5)})
    write_export(tmp_path, manifest)
    found = read_export(tmp_path)
    assert found.test is not None and found.test["mcc"].value == 0.5 and math.isnan(found.test["mcc"].low)
    assert math.isnan(found.validation["mcc"])


@pytest.mark.parametrize("missing", [*LEAST, "columns"])
def test_export_without_what_a_prediction_needs_is_refused(tmp_path: Path, missing: str) -> None:
    facts = LEAST | {"columns": {"text": "text"}}
    del facts[missing]
    (tmp_path / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(
        InputError, match=rf"manifest.json is not one of an exported model \({missing}: Field required\)"
    ):
        read_export(tmp_path)
