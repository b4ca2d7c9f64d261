"""TensorBoard: each trial is a run of scalars, and a row of its HParams tab.

It writes through `torch.utils.tensorboard`, which needs the package tensorboard.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.loggers.base import Logger, hyperparameters, label, scalars
from harness.records.schema import Progress, TrialRecord
from harness.runtime import quick_imports
from harness.spec.trial import TrialConfig
from harness.stats.metric import COSTS

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoardLogger"]


class TensorBoardLogger(Logger):
    """Writes event files into `folder`, a sub-folder a trial; a paused trial holds no file open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[int, SummaryWriter] = {}

    def started(self, config: TrialConfig) -> None:
        """Opens the trial's event file."""
        with quick_imports():
            from torch.utils.tensorboard import SummaryWriter

        self.paused(config.number)
        self._writers[config.number] = SummaryWriter(str(self._folder / label(config)), flush_secs=5)

    def progressed(self, number: int, progress: Progress) -> None:
        """Writes one point of each curve, over optimiser steps."""
        writer = self._writers[number]
        values = scalars({**progress.metrics, "train_loss": progress.train_loss})
        for name, value in values.items():
            group = "cost" if name in COSTS else "training" if name == "train_loss" else "validation"
            writer.add_scalar(f"{group}/{name.removeprefix('train_')}", value, progress.step)

    def paused(self, number: int) -> None:
        """Closes the event file; a resumed trial writes to a new file of the same folder."""
        writer = self._writers.pop(number, None)
        if writer is not None:
            writer.close()

    def ended(self, record: TrialRecord) -> None:
        """Writes the row of the HParams tab."""
        writer = self._writers.get(record.number)
        if writer is not None:
            params = hyperparameters(record.config) | {"state": record.state.value}
            best = {f"best/{name}": value for name, value in scalars(record.metrics).items()}
            writer.add_hparams(params, best, run_name=".")
        self.paused(record.number)

    def close(self) -> None:
        """Closes the files of trials that an interrupted sweep leaves."""
        for number in list(self._writers):
            self.paused(number)
