"""A small detector from scratch finds most drawn shapes, through the whole sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli import app
from harness.records.results import load
from tests.tasks.drawn import drawn
from tests.tasks.tiny import RT_DETR

BACKBONE = {**RT_DETR["backbone_config"], "embedding_size": 16, "hidden_sizes": [16, 32, 48, 64]}
ARCHITECTURE: dict[str, Any] = {
    **RT_DETR,
    **dict.fromkeys(("d_model", "encoder_hidden_dim", "encoder_ffn_dim", "decoder_ffn_dim"), 64),
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_denoising": 20,
    "encoder_in_channels": [32, 48, 64],
    "decoder_in_channels": [64, 64, 64],
    "backbone_config": BACKBONE,
}


@pytest.mark.long
def test_shapes_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    rows = [drawn(tmp_path / "pictures", number, side=96) for number in range(400)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    study = {
        "name": "shapes",
        "task": "object-detection",
        "data": {"path": "rows.jsonl"},
        "model": {"checkpoint": "scratch", "architecture": ARCHITECTURE},
        "task_options": {"height": 96, "width": 96, "flip": "both"},
        "training": {"learning_rate": [2e-3], "batch_size": 8, "epochs": 15, "warmup_fraction": 0.05},
        "search": {"trials": 1, "objectives": ["map_50"], "pruner": {"name": "none"}},
        "confirm": None,
        "engine": {"name": "inline"},
    }
    (tmp_path / "shapes.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    done = CliRunner().invoke(app, ["sweep", "shapes.yaml"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    results = load(tmp_path / "runs" / "shapes")
    assert results.final is not None
    assert results.final.models[0].test["map_50"].value >= 0.6
    page = (tmp_path / "reports" / "shapes" / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 6
