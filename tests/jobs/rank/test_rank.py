"""Checkpoints in order without training: the score against its definition, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.jobs.rank.ranking import rank
from harness.jobs.rank.score import h_score
from harness.spec.reader import load_study
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.training.host import Host
from harness.trial import run_trial
from tests.cli.test_commands import harness
from tests.conftest import STUDIES


def test_score_is_the_variance_between_classes_over_the_whole() -> None:
    draw = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 2000)
    features = draw.normal(size=(6000, 4))
    features[:, 0] += np.array([-1.0, 0.0, 1.0])[classes]
    # Along the first axis the means have variance 2/3 of a whole of 1 + 2/3.
    assert h_score(features, classes) == pytest.approx((2 / 3) / (1 + 2 / 3), abs=0.02)
    assert h_score(3 * features + 7, classes) == pytest.approx(h_score(features, classes), rel=1e-6)


def test_score_is_nothing_without_classes_and_grows_with_their_distance() -> None:
    draw = np.random.default_rng(1)
    classes = np.repeat([0, 1], 300)
    features = draw.normal(size=(600, 50)) / np.arange(1, 51)
    scores = []
    for distance in (0.0, 1.0, 5.0):
        moved = features.copy()
        moved[:, 0] += distance * classes
        scores.append(h_score(moved, classes))
    assert scores[0] < 0.1 < scores[1] < scores[2] < 1
    assert h_score(features, np.zeros(600, dtype=int)) == 0
    assert h_score(features, np.where(np.arange(600) < 300, -1, 1)) == 0


@pytest.fixture
def checkpoint(tmp_path: Path, smoke_data: PreparedData, smoke_config: TrialConfig, host: Host) -> Path:
    """A saved model of the smoke study that has learned its classes, with its tokenizer."""
    folder = tmp_path / "trained"
    recipe = smoke_config.training.model_copy(update={"learning_rate": 0.01, "epochs": 12.0})
    *_, last = run_trial(smoke_config.model_copy(update={"training": recipe}), str(smoke_data.folder), host)
    last.save(folder)
    task_of(smoke_config.task).write_processor(smoke_config, smoke_data, folder)
    return folder


def test_command_puts_what_has_learned_the_classes_first(checkpoint: Path, tmp_path: Path, host: Host) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(
        f"name: s\ndata: {{path: {STUDIES / 'data' / 'smoke.csv'}, max_length: 24}}\n"
        f"model: {{checkpoint: [scratch, {checkpoint}], architecture: {{model_type: bert}}}}\n"
        "training: {learning_rate: [1e-4, 1e-3]}\nsearch: {trials: 4}\n",
        encoding="utf-8",
    )
    found = json.loads(harness("rank", study, "--json").stdout)
    assert [each["checkpoint"] for each in found] == [str(checkpoint), "scratch"]
    assert found[0]["h_score"] > 0.5
    assert (found[0]["rows"], found[0]["width"]) == (96, 32)
    assert found[1]["problem"] == "model.checkpoint: scratch has learned nothing that could be ranked"
    assert found[1]["h_score"] is None
    text = harness("rank", study, "--rows", 40).stdout
    assert text.splitlines()[1].split()[2] == "40"


def test_task_without_labels_is_refused() -> None:
    spec = load_study(STUDIES / "smoke_token_classification.yaml")
    with pytest.raises(InputError, match="token-classification has no labels to tell apart"):
        rank(spec)


def test_several_labels_are_scored_one_by_one(checkpoint: Path) -> None:
    keys = [f"model.checkpoint={checkpoint}", "model.architecture=null"]
    (found,) = rank(load_study(STUDIES / "smoke_multi_label_classification.yaml", keys))
    assert 0 < found.score < 1
