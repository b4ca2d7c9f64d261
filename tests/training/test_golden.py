"""Golden losses: fp32, one thread. A change that moves them must say why."""

from __future__ import annotations

import pytest

from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.training.host import Host
from harness.trial import run_trial

GOLDEN = [1.0953, 1.0973, 1.0997]


def test_golden_losses_of_the_smoke_study(smoke_config: TrialConfig, smoke_data: PreparedData, host: Host) -> None:
    losses = [pause.progress.train_loss for pause in run_trial(smoke_config, str(smoke_data.folder), host)]
    assert losses == pytest.approx(GOLDEN, rel=1e-4)
