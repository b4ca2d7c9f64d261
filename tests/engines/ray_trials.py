"""Trial functions for tests of the Ray engine, beside those of `fakes`: importable where trials run."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from harness.records.schema import Progress
from harness.spec.trial import TrialConfig
from harness.training.host import Host
from tests.engines.fakes import FakePause, diary, note, run_trial

__all__ = ["dies_once", "troubled", "waits"]


def dies_once(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePause]:
    """The first process that has run trial 1 to its second evaluation is killed."""
    for pause in run_trial(config, data, host, resume):
        if config.number == 1 and pause.progress.fraction == 0.5 and not diary(data, "died"):
            note(data, "died 1")
            os.kill(os.getpid(), signal.SIGKILL)
        yield pause


def waits(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePause]:
    """Every trial stands at its last evaluation until a file `go` is there."""
    for pause in run_trial(config, data, host, resume):
        if pause.progress.done:
            note(data, f"waiting {config.number} {os.getpid()}")
            while not (Path(data) / "go").exists():
                time.sleep(0.02)
        yield pause


def troubled(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePause]:
    """Accuracy is best in the middle, log loss gives the order, and trial 2 has no accuracy."""
    note(data, f"threads {os.environ.get('OMP_NUM_THREADS')} {host.place.threads} {threading.active_count()}")
    for pause in run_trial(config, data, host, resume):
        progress = pause.progress
        metrics = {"log_loss": progress.train_loss, "accuracy": _peak(progress, config.training.learning_rate)}
        if config.number == 2:
            del metrics["accuracy"]
        pause.progress = progress.model_copy(update={"metrics": metrics})
        yield pause


def _peak(progress: Progress, learning_rate: float) -> float:
    return 0.5 + learning_rate - abs(progress.fraction - 0.625) / 10
