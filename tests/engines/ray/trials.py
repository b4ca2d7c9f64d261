"""Trial functions for tests of the Ray engine, beside those of `fakes`: importable where trials run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.records.schema import Progress
from harness.spec.trial import TrialConfig
from harness.testing.fakes import FakePausedTrial, diary, note, run_trial
from harness.training.host import Host

__all__ = ["dies_once", "together", "troubled", "waits"]

#: Longer than any test may take: what stands in a process that nobody ended ends by itself.
STANDS_S = 200.0


def dies_once(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePausedTrial]:
    """The first process that has run trial 1 to its second evaluation is killed."""
    for pause in run_trial(config, data, host, resume):
        if config.number == 1 and pause.progress.fraction == 0.5 and not diary(data, "died"):
            note(data, "died 1")
            os.kill(os.getpid(), signal.SIGKILL)
        yield pause


def waits(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePausedTrial]:
    """Every trial stands at its last evaluation until a file `go` is there."""
    for pause in run_trial(config, data, host, resume):
        if pause.progress.done:
            note(data, f"waiting {config.number} {os.getpid()}")
            stand(lambda: (Path(data) / "go").exists())
        yield pause


def together(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePausedTrial]:
    """No trial ends before the last one of `params["with"]` trials has begun."""
    note(data, f"begun {config.number} {os.environ.get('CUDA_VISIBLE_DEVICES')}")
    stand(lambda: len(diary(data, "begun")) >= int(str(config.params["with"])))
    yield from run_trial(config, data, host, resume)


def stand(done: Callable[[], bool]) -> None:
    """Waits until `done` is true.

    Raises:
        TimeoutError: it never was.
    """
    end = time.monotonic() + STANDS_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("nobody let the trial go on")
        time.sleep(0.02)


def troubled(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePausedTrial]:
    """Accuracy is best in the middle, log loss gives the order, and trial 2 has no accuracy."""
    note(data, f"environment {os.environ.get('OMP_NUM_THREADS')} {host.place.threads}")
    for pause in run_trial(config, data, host, resume):
        progress = pause.progress
        metrics = {"log_loss": progress.train_loss, "accuracy": _peak(progress, config.training.learning_rate)}
        if config.number == 2:
            del metrics["accuracy"]
        pause.progress = progress.model_copy(update={"metrics": metrics})
        yield pause


def _peak(progress: Progress, learning_rate: float) -> float:
    return 0.5 + learning_rate - abs(progress.fraction - 0.625) / 10
