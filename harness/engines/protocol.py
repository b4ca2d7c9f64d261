"""The two sides of an engine: where trials come from, and what runs them.

Knows nothing of Optuna, pipes or Ray. Every engine passes `tests/engines/contract.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig

__all__ = ["Decision", "Engine", "Pause", "TrialFunction", "TrialSource"]


class Decision(StrEnum):
    """What becomes of a trial after an evaluation."""

    GO = "go"
    PAUSE = "pause"
    STOP = "stop"


class TrialSource(Protocol):
    """What an engine asks. Called from one thread only; the only writer of the study.

    An engine with a free slot calls `next`; after each evaluation `decide`; then takes `dropped`; at each end `end`.
    """

    def next(self) -> TrialConfig | None:
        """A new trial, or a paused one to go on with (same number); None: nothing to do for now.

        None while no trial is active and none is paused means: finished.
        """

    def dropped(self) -> list[int]:
        """Numbers of paused trials that will never go on, each told once: the engine ends them as PRUNED."""

    def decide(self, number: int, progress: Progress) -> Decision:
        """Records the evaluation and says what follows. Asked at the last evaluation (`progress.done`) too."""

    def took_up(self, number: int, history: Sequence[Progress]) -> None:
        """The trial goes on with another one's training, which came to `history`: its own no longer counts."""

    def keep(self, number: int, progress: Progress) -> bool:
        """True when the finished trial's weights may still be needed: the engine saves them before `end`."""

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        """For a trial left by an earlier coordinator: its snapshot and history up to it; (None, []) if new."""

    def end(self, record: TrialRecord) -> None:
        """Writes the end of a trial: COMPLETE, PRUNED or FAIL."""


class Pause(Protocol):
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


TrialFunction = Callable[..., Iterator[Pause]]
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
