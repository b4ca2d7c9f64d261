"""The protocol of an engine, which runs the trials of a source. `harness.testing.engines.EngineContract` tests it.

The life of a trial, in the words that all engines use:

    running    it trains in a slot, up to its next evaluation
    paused     it was evaluated and waits in the memory of its slot's process for a decision of the source
    spilled    it is paused, and only its snapshot on disk is left: its memory was needed, or it may change the slot
    ended      its record is written: COMPLETE, PRUNED or FAIL

    slot       a share of a device, with a warm process, in which at most one trial is running at a time
    place      where a slot is: node, device, number of the slot, CPU threads
    snapshot   everything a trial needs to go on elsewhere: weights, optimiser state, random states, history
    replay     a trial without a snapshot starts again at step 0 with its seed; known evaluations are not decided again
    evaluation the scores of a trial at a step on the validation rows; the source decides after each of them
    command    what the coordinator tells a slot (`Start`, `Go`, `Snapshot`, `Finish`, `Drop` ... in messages.py)
    event      what a slot answers (`Evaluated`, `Snapshotted`, `Spilled`, `Finished`, `Failed`, `Died` ...)
    coordinator the process that runs the loop of the study (dispatch.py) and is the only writer of its records
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from harness.engines.messages import Command, Event
from harness.records.schema import Place, Progress
from harness.search.source import TrialSource

__all__ = ["Engine", "PausedTrial", "Pool", "TrialFunction"]


class PausedTrial(Protocol):
    """A trial paused after an evaluation; valid until its generator is advanced again."""

    progress: Progress

    def save(self, folder: Path) -> None:
        """Writes the model of the best evaluation so far: config.json, model.safetensors, validation.npz."""

    def snapshot(self, folder: Path) -> None:
        """Writes everything that the trial needs to go on elsewhere, as safetensors and JSON.

        May be called in another thread while other trials run in this process.
        """

    @property
    def memory_bytes(self) -> int:
        """The memory that the paused trial holds."""


TrialFunction = Callable[..., Iterator[PausedTrial]]
"""`run_trial(config, data, host, resume=None)`: a generator that yields a `PausedTrial` after each evaluation.

The last one has `progress.done`. `data` is the folder of prepared data (str), `host` a `harness.training.host.Host`,
`resume` a snapshot folder or None.
"""


class Engine(Protocol):
    """Runs the trials of a source."""

    name: str

    def run(self, source: TrialSource, data: str, trial_fn: str) -> None:
        """Runs all trials of `source`. `trial_fn` is "module:function", imported where the trial runs.

        Returns when `source` is finished. On KeyboardInterrupt or SIGTERM it stops its workers (all gone within 5 s)
        and raises; trials that have not ended stay RUNNING and go on when the study is run again.
        """


class Pool(Protocol):
    """The slots of an engine. A slot executes its commands in order; every event is returned once."""

    @property
    def places(self) -> Sequence[Place]:
        """The places of the slots, by slot number."""

    def send(self, slot: int, command: Command, limit_s: float | None = None) -> None:
        """Queues a command for a slot without waiting. Where it can, a pool kills a slot that exceeds `limit_s`."""

    def receive(self) -> list[tuple[int, Event]]:
        """Waits for events of the slots and returns them; the list may be empty."""
