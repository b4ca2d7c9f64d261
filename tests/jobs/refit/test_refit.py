"""A winner's recipe on more rows: the same steps at the same rates, and a card that says whose scores it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.prepared import PreparedData
from harness.errors import RunError
from harness.jobs.refit.recipe import refit_config
from harness.jobs.refit.rows import REFITS, widened
from harness.jobs.rerun import prepared_data
from harness.records.results import load
from harness.records.schema import TrialState, record_of
from harness.spec.trial import TrialConfig
from harness.training.host import Host
from harness.trial import run_trial
from tests.cli.test_commands import harness


def test_training_split_gets_the_rows_of_the_others(smoke_data: PreparedData, tmp_path: Path) -> None:
    wide = widened(smoke_data, REFITS["all"], tmp_path / "wide")
    texts = {split: smoke_data.frame(split)["text"].tolist() for split in ("train", "validation", "test")}
    assert wide.frame("train")["text"].tolist() == [*texts["train"], *texts["validation"], *texts["test"]]
    assert wide.frame("test")["text"].tolist() == texts["test"]
    assert wide.meta.rows == smoke_data.meta.rows | {"train": sum(map(len, texts.values()))}
    assert sum(wide.meta.counts["train"].values()) == wide.meta.rows["train"]
    assert wide.names == smoke_data.names


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_recipe_ends_at_the_step_of_the_kept_weights_with_its_rate(
    smoke_config: TrialConfig, smoke_data: PreparedData, host: Host, tmp_path: Path, share: float
) -> None:
    recipe = smoke_config.training.model_copy(update={"epochs": 3.0, "patience": 1})
    config = smoke_config.model_copy(update={"training": recipe, "evaluate_at": (0.5, 1.0)})
    history = [pause.progress for pause in run_trial(config, str(smoke_data.folder), host)]
    record = record_of(config, TrialState.COMPLETE, history)
    step = round(share * history[-1].total_steps)
    wide = widened(smoke_data, REFITS["train+validation"], tmp_path / "wide")
    again = refit_config(record.model_copy(update={"best_step": step}), wide.meta.rows["train"])
    (last,) = [pause.progress for pause in run_trial(again, str(wide.folder), host)]
    assert (last.step, last.total_steps, last.done) == (step, history[-1].total_steps, True)
    assert again.training.learning_rate == config.training.learning_rate
    assert again.data.train_rows is None


def test_trial_without_kept_weights_has_no_recipe_to_repeat(smoke_config: TrialConfig) -> None:
    with pytest.raises(RunError, match="has no evaluation whose weights were kept"):
        refit_config(record_of(smoke_config, TrialState.FAIL, []), 100)


@pytest.mark.long
def test_export_says_whose_scores_it_shows(smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(smoke_run.parents[1] / "cache"))
    done = harness("export", smoke_run, "--refit", "train+validation", "--to", tmp_path / "model")
    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text("utf-8"))
    before = json.loads((smoke_run / "best" / "manifest.json").read_text("utf-8"))
    rows = prepared_data(load(smoke_run)).meta.rows
    assert manifest["refit"] == {"splits": ["train", "validation"], "rows": rows["train"] + rows["validation"]}
    assert manifest["test"] == before["test"]
    assert manifest["validation"] == before["validation"]
    assert manifest["files"]["model.safetensors"] != before["files"]["model.safetensors"]
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "so these scores are not of these weights" in card
    assert f"trained on {rows['train'] + rows['validation']} rows, those of train and validation" in card
    assert "a dog barks" in harness("predict", tmp_path / "model", "a dog barks").stdout


def test_refit_of_other_rows_is_refused(smoke_run: Path, tmp_path: Path) -> None:
    done = harness("export", smoke_run, "--refit", "test", "--to", tmp_path / "model")
    assert done.exit_code == 2
    assert "refit: 'test' is unknown; allowed: train+validation, all" in done.stderr
