from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from harness.data.prepare import prepare
from harness.spec.configure import default_params, resolve
from harness.spec.reader import load_study
from harness.training.clock import Clock
from harness.training.host import Host
from harness.training.loop import Trainer
from tests.conftest import STUDIES

RESNET = "{model_type: resnet, embedding_size: 8, hidden_sizes: [8, 16], depths: [1, 1], num_channels: 1}"


def test_images_are_scored_in_the_precision_of_the_model(tmp_path: Path, host: Host) -> None:
    """A convolution takes no other, and a ResNet does not cast its inputs."""
    changes = ["task=image-classification", "data.builtin=digits", "training.precision=bf16"]
    spec = load_study(STUDIES / "smoke.yaml", [*changes, f"model.architecture={RESNET}"])
    config = resolve(spec, number=0, params=default_params(spec))
    trainer = Trainer(config, prepare(spec, tmp_path), host, torch.device("cpu"), Clock())
    labels, probabilities = trainer.evaluate(-1)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(len(labels)), atol=1e-3)
