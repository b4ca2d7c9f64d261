"""`harness export --adapter`: what it leaves in the folder, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.prepared import PreparedData
from harness.errors import RunError
from harness.jobs.adapter.export import ADAPTER_FILES, keep_adapter
from harness.records.exported import ExportManifest, read_export, write_export
from harness.records.files import sha256_of
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.training.host import Host
from harness.trial import run_trial
from tests.cli.test_commands import harness


def test_folder_has_the_adapter_its_card_and_its_hashes(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    base, folder = tmp_path / "base", tmp_path / "export"
    *_, last = run_trial(smoke_config, str(smoke_data.folder), host)
    last.save(base)
    task_of(smoke_config.task).write_processor(smoke_config, smoke_data, base)
    model = smoke_config.model.model_copy(update={"checkpoint": str(base), "adapter": "lora", "architecture": None})
    recipe = smoke_config.training.model_copy(update={"learning_rate": 0.05})
    config = smoke_config.model_copy(update={"model": model, "training": recipe})
    *_, last = run_trial(config, str(smoke_data.folder), host)
    last.save(folder)
    (folder / "validation.npz").unlink()
    (folder / "README.md").write_text("# m\n\n## How good it is\n", encoding="utf-8")
    facts = {"task": config.task, "labels": smoke_data.names, "preprocess": (), "max_length": 24, "columns": {}}
    write_export(folder, ExportManifest(**facts))
    keep_adapter(folder, config)
    names = {path.name for path in folder.iterdir()}
    assert names == {*ADAPTER_FILES, "README.md"}
    files = read_export(folder).files
    assert files == {name: sha256_of(folder / name) for name in names - {"manifest.json"}}
    assert "holds the adapter alone" in (folder / "README.md").read_text("utf-8")
    settings = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    assert settings["base_model_name_or_path"] == str(base)
    with pytest.raises(RunError, match="first 1 layers"):
        keep_adapter(folder, config.model_copy(update={"model": model.model_copy(update={"layers": 1})}))


def test_trial_without_an_adapter_has_none(smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(smoke_run.parents[1] / "cache"))
    done = harness("export", smoke_run, "--adapter", "--to", tmp_path / "model")
    assert done.exit_code == 2
    assert "trained without an adapter (model.adapter: none), so there is none to export" in done.stderr
    assert not (tmp_path / "model").exists()
