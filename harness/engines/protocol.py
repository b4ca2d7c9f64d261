"""What an engine is: it runs the trials of a source. Every engine passes `harness.testing.engines.EngineContract`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from harness.records.schema import Progress
from harness.search.source import TrialSource

__all__ = ["Engine", "PausedTrial", "TrialFunction"]


class PausedTrial(Protocol):
    """A trial that stands still after an evaluation; valid until the generator is pulled again."""

    progress: Progress

    def save(self, folder: Path) -> None:
        """Writes the model of the best evaluation so far: config.json, model.safetensors, validation.npz."""

    def snapshot(self, folder: Path) -> None:
        """Writes everything that going on elsewhere needs: safetensors and JSON.

        May be called from another thread while other trials of this process go on.
        """

    @property
    def memory_bytes(self) -> int:
        """What the standing trial holds in memory."""


TrialFunction = Callable[..., Iterator[PausedTrial]]
"""`run_trial(config, data, host, resume=None)`: a generator of pauses; the last has `progress.done`.

`data` is the folder of prepared data (str), `host` a `harness.training.host.Host`, `resume` a snapshot folder or None.
"""


class Engine(Protocol):
    """Runs trials until the source has no more."""

    name: str

    def run(self, source: TrialSource, data: str, trial_fn: str) -> None:
        """Runs all trials of `source`. `trial_fn` is "module:function", imported where the trial runs.

        Returns when `source` is finished. On KeyboardInterrupt or SIGTERM it stops its workers (all gone within 5 s)
        and raises; trials that were active stay RUNNING and go on when the study is run again.
        """
