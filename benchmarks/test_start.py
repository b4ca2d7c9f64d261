"""What a trial costs besides its steps: its start in a warm worker, and an evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

import material
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.data.checkpoints import resolve
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.training import device as devices
from harness.training.evaluate import predict
from harness.training.host import Host
from harness.training.model import fresh_model
from harness.trial import Trial


@pytest.fixture
def copied(tmp_path: Path) -> tuple[TrialConfig, Path]:
    """The default recipe on a copy of the checkpoint that may be spoilt, and the copy."""
    config = material.config()
    folder = shutil.copytree(resolve(config.model.checkpoint).folder, tmp_path / "checkpoint")
    return config.model_copy(update={"model": config.model.model_copy(update={"checkpoint": str(folder)})}), folder


def test_trial_start(benchmark: BenchmarkFixture, copied: tuple[TrialConfig, Path]) -> None:
    """Up to the first step, in a process that has had a trial before; its weights are no longer on disk then."""
    config, folder = copied
    host = Host(place=material.HOST.place)
    Trial(config, material.data(), host, None)
    (folder / "model.safetensors").unlink()  # not cut short: it may be mapped into memory
    (folder / "model.safetensors").write_bytes(b"no weights")
    benchmark.pedantic(lambda: Trial(config, material.data(), host, None), rounds=12, warmup_rounds=1)


def test_evaluation(benchmark: BenchmarkFixture) -> None:
    """The validation split in fp32."""
    config, data = material.config(), material.data()
    device = devices.bind(material.HOST.place)
    model = fresh_model(config, data, material.HOST, device)
    validation = encoded(data, config, "validation")
    rows = np.arange(len(validation))
    found = benchmark.pedantic(
        lambda: predict(model, task_of(config.task), validation, rows, device), rounds=5, warmup_rounds=1
    )
    assert len(found["probabilities"]) == len(rows)
