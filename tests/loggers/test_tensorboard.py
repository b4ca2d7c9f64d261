"""TensorBoard's own reader finds what the logger wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.loggers.open import open_loggers
from harness.records.rundir import RunFolder
from harness.records.schema import TrialState, record_of
from tests.loggers.trials import config
from tests.search.simulate import evaluation

pytest.importorskip("tensorboard", reason="needs the extra: pip install 'finetune-harness[tensorboard]'")


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is logged of one trial that pauses once and of one that the sweep leaves behind."""
    said: list[str] = []
    with open_loggers(["tensorboard"], RunFolder(tmp_path), said.append) as loggers:
        for share in (1 / 4, 1.0):
            loggers.started(config(3))
            loggers.progressed(3, evaluation(config(3), share))
            loggers.paused(3)
        loggers.started(config(3))
        loggers.ended(record_of(config(3), TrialState.COMPLETE, [evaluation(config(3), 1.0)]))
        loggers.started(config(4))
        loggers.progressed(4, evaluation(config(4), 1 / 4))
    assert len(said) == 1
    assert said[0].startswith("tensorboard --logdir ")
    return tmp_path / "tensorboard"


def test_curves_are_over_optimiser_steps(folder: Path) -> None:
    found = read(folder / "trial-003")
    want = [evaluation(config(3), share) for share in (1 / 4, 1.0)]
    for tag, name in (("validation/accuracy", "accuracy"), ("cost/samples_per_second", "samples_per_second")):
        points = found.Scalars(tag)
        assert [point.step for point in points] == [progress.step for progress in want]
        assert [point.value for point in points] == pytest.approx([progress.metrics[name] for progress in want])
    assert [point.value for point in found.Scalars("training/loss")] == pytest.approx([p.train_loss for p in want])


def test_an_ended_trial_has_its_row_of_hyperparameters(folder: Path) -> None:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    rows = read(folder / "trial-003").summary_metadata
    start = HParamsPluginData.FromString(rows["_hparams_/session_start_info"].plugin_data.content).session_start_info
    assert start.hparams["learning_rate"].number_value == config(3).params["learning_rate"]
    assert start.hparams["state"].string_value == "COMPLETE"


def test_what_an_interrupted_sweep_leaves_is_on_disk(folder: Path) -> None:
    assert len(read(folder / "trial-004").Scalars("validation/accuracy")) == 1
