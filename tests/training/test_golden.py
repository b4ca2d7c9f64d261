"""Golden losses: fp32, one thread. A change that moves them must say why."""

from __future__ import annotations

import pytest

from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.training.host import Host
from harness.trial import run_trial

#: The mean training loss up to each evaluation, since the one before.
GOLDEN = [1.100085, 1.100613, 0.381451]


def test_golden_losses_of_the_smoke_study(smoke_config: TrialConfig, smoke_data: PreparedData, host: Host) -> None:
    training = smoke_config.training.model_copy(update={"learning_rate": 5e-3, "epochs": 12.0})
    points = {"evaluate_at": (0.0625, 0.25, 1.0), "validation_rows": (256, None, None)}
    config = smoke_config.model_copy(update={"training": training, **points})
    losses = [pause.progress.train_loss for pause in run_trial(config, str(smoke_data.folder), host)]
    assert losses == pytest.approx(GOLDEN, rel=1e-4)
