"""What one slot does with trials: starts them, pulls them, lets them stand, saves and closes them.

Knows nothing of the study, of other slots, or of how commands arrive. Failures come back as data, not as exceptions.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.engines.failures import breaks_device, one_line, reason_of, write_traceback
from harness.engines.messages import (
    Command,
    Drop,
    Evaluated,
    Event,
    Failed,
    Finish,
    Finished,
    Go,
    Measure,
    Measured,
    Release,
    Snapshotted,
    Spilled,
    Start,
)
from harness.engines.protocol import PausedTrial, TrialFunction
from harness.errors import FailReason, InputError, TrialFailure
from harness.records.files import fill_folder
from harness.records.precision import unmeasured
from harness.records.schema import Progress
from harness.runtime import quick_imports
from harness.spec.foreign import trust
from harness.spec.trial import TrialConfig
from harness.training.host import Host

__all__ = ["LOG", "SNAPSHOT", "WEIGHTS", "Driver", "load_trial_function", "warm_up"]

LOG, SNAPSHOT, WEIGHTS = "log.txt", "snapshot", "weights"

T = TypeVar("T")
Capture = Callable[[Path], AbstractContextManager[object]]


@dataclass(slots=True, kw_only=True)
class LoadedTrial:
    """A trial in this process's memory; `paused` is None until its first evaluation."""

    config: TrialConfig
    folder: Path
    generator: Generator[PausedTrial]
    paused: PausedTrial | None = None
    memory_bytes: int = 0
    """What it holds while it stands."""
    snapshotted: bool = False
    """True when the snapshot on disk is of the evaluation at which the trial stands."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the trial is touched: `offer` comes from another thread."""

    def pull(self) -> Progress:
        with self.lock:
            try:
                self.paused = next(self.generator)
            except StopIteration:
                raise TrialFailure(FailReason.CRASH, "the trial function returned before its last evaluation") from None
            self.snapshotted = False
            self.memory_bytes = self.paused.memory_bytes
            return self.paused.progress

    def save(self) -> None:
        if self.paused is not None:
            fill_folder(self.folder / WEIGHTS, self.paused.save)

    def snapshot(self) -> None:
        with self.lock:
            self.write_snapshot()

    def write_snapshot(self) -> None:
        """With the lock held."""
        if self.paused is not None and not self.snapshotted:
            fill_folder(self.folder / SNAPSHOT, self.paused.snapshot)
            self.snapshotted = True

    def close(self) -> None:
        with self.lock:
            self.paused = None
            self.generator.close()


class Driver:
    """The trials of one slot: at most one moves, any number stand."""

    def __init__(
        self,
        host: Host,
        data: str,
        trial_fn: TrialFunction,
        *,
        memory_budget_bytes: int,
        capture: Capture = lambda log: nullcontext(),
    ) -> None:
        """`capture` sends what a trial prints to the log file it is given."""
        self._host = host
        self._data = data
        self._trial_fn = trial_fn
        self._budget_bytes = memory_budget_bytes
        self._capture = capture
        self._trials: dict[int, LoadedTrial] = {}

    def execute(self, command: Command) -> Iterator[Event]:
        """Does what a command says; what an offer (`Snapshot`) says is done by `offer`."""
        match command:
            case Measure():
                yield self.measure(command.config)
            case Start():
                self._host.lent_threads = command.threads
                yield from self._make_room(command.config.number)
                yield self.start(command.config, command.folder, command.resume)
            case Go() | Finish() if command.number not in self._trials:
                now = time.time()
                message = "the trial does not stand in this process"
                yield Failed(number=command.number, start=now, end=now, reason=FailReason.CRASH, message=message)
            case Go():
                self._host.lent_threads = command.threads
                yield from self._make_room(command.number)
                done = self.snapshot(command.number) if command.snapshot else None
                if done is not None:
                    yield done
                if not isinstance(done, Failed):
                    yield self.pull(command.number)
            case Finish():
                yield self.finish(command.number, save=command.save)
            case Drop():
                self.close(command.number)
            case Release():
                release(self._trial_fn, self._host)
            case _:
                pass

    def measure(self, config: TrialConfig) -> Measured:
        """Has the trial function's module measure which precision `auto` means here, where it can.

        What keeps it from measuring would keep the trial from training, and is told by the trial.
        """
        measure = getattr(sys.modules[self._trial_fn.__module__], "measure_precision", None)
        trust(config.task)
        if measure is None:
            return Measured(choice=None)
        try:
            return Measured(choice=measure(config, self._data, self._host))
        except Exception as error:
            return Measured(choice=unmeasured(self._host.place, one_line(error)))

    def start(self, config: TrialConfig, folder: Path, resume: Path | None = None) -> Evaluated | Failed:
        """Takes up a trial, from `resume` or from step 0, and runs it to its next evaluation."""
        self.close(config.number)
        self._trials[config.number] = LoadedTrial(config=config, folder=folder, generator=self._generate(config, resume))
        return self.pull(config.number)

    def pull(self, number: int) -> Evaluated | Failed:
        """Runs a trial to its next evaluation."""
        trial = self._trials[number]
        start = time.time()
        done = self._attempt(trial, trial.pull)
        if isinstance(done, Failed):
            return done
        return Evaluated(number=number, start=start, end=time.time(), progress=done, memory_bytes=trial.memory_bytes)

    def _generate(self, config: TrialConfig, resume: Path | None) -> Generator[PausedTrial]:
        """The trial function's generator; what calling it raises is raised at the first pull instead."""
        trust(config.task)  # the coordinator that sends a trial was trusted with it
        yield from self._trial_fn(config, self._data, self._host, resume)

    def snapshot(self, number: int) -> Snapshotted | Failed:
        """Writes the snapshot of a standing trial, in place of an older one."""
        trial = self._trials[number]
        start = time.time()
        failed = self._attempt(trial, trial.snapshot)
        return failed or Snapshotted(number=number, start=start, end=time.time())

    def offer(self, number: int) -> Snapshotted | None:
        """Writes the snapshot of a standing trial from any thread, while another trial runs in its own.

        None when there is nothing to be taken over: the trial is gone or moves again, or its snapshot could not be
        written, which ends nothing; it is tried again when the trial goes on here.
        """
        trial, start = self._trials.get(number), time.time()
        if trial is None or not trial.lock.acquire(blocking=False):
            return None
        try:
            trial.write_snapshot()
        except Exception as error:
            write_traceback(trial.folder / LOG, error)
        finally:
            trial.lock.release()
        return Snapshotted(number=number, start=start, end=time.time()) if trial.snapshotted else None

    def finish(self, number: int, *, save: bool) -> Finished | Failed:
        """Closes a standing trial, its weights saved before where asked."""
        trial = self._trials[number]
        start = time.time()
        failed = self._attempt(trial, trial.save) if save else None
        self.close(number)
        return failed or Finished(number=number, start=start, end=time.time())

    def close(self, number: int) -> None:
        """Frees what a trial holds: its generator's `finally` runs."""
        trial = self._trials.pop(number, None)
        if trial is None:
            return
        try:
            with self._capture(trial.folder / LOG):
                trial.close()
        except (Exception, SystemExit) as error:
            write_traceback(trial.folder / LOG, error)

    def close_all(self) -> None:
        """Closes every trial."""
        for number in list(self._trials):
            self.close(number)

    def _make_room(self, number: int) -> Iterator[Event]:
        """Spills the trials that stood longest until the others fit into the budget."""
        standing = [other for other in self._trials if other != number]
        held = sum(self._trials[other].memory_bytes for other in standing)
        for other in standing:
            if held <= self._budget_bytes:
                return
            held -= self._trials[other].memory_bytes
            done = self.snapshot(other)
            self.close(other)
            yield done if isinstance(done, Failed) else Spilled(number=other, start=done.start, end=done.end)

    def _attempt(self, trial: LoadedTrial, action: Callable[[], T]) -> T | Failed:
        """Runs `action`; what it raises ends the trial and comes back as data."""
        start = time.time()
        try:
            with self._capture(trial.folder / LOG):
                return action()
        except (Exception, SystemExit) as error:
            failed = self._failed(trial, start, error)
        # The traceback held the trial's frames: only now is what it held free.
        self.close(trial.config.number)
        gc.collect()
        return failed

    def _failed(self, trial: LoadedTrial, start: float, error: BaseException) -> Failed:
        if not isinstance(error, TrialFailure):
            write_traceback(trial.folder / LOG, error)
        reason, message = reason_of(error), one_line(error)
        fatal = reason is FailReason.CRASH and breaks_device(error)
        refused = isinstance(error, InputError) and trial.paused is None
        return Failed(
            number=trial.config.number,
            start=start,
            end=time.time(),
            reason=reason,
            message=message,
            fatal=fatal,
            refused=refused,
        )


def load_trial_function(name: str) -> TrialFunction:
    """The function behind "module:function", with everything imported that its first trial needs."""
    module, _, function = name.partition(":")
    warm_up(name)
    found: TrialFunction = getattr(importlib.import_module(module), function)
    return found


def warm_up(name: str) -> None:
    """Imports the module of a trial function ahead of its first trial, and what its `warm_up` imports.

    What is wrong with them is said when the job begins. What is imported stays, so the collector leaves it alone from
    then on; before the first trial there is nothing else that it could miss.
    """
    if (name := name.partition(":")[0]) in sys.modules:
        return
    with suppress(Exception), quick_imports():
        getattr(importlib.import_module(name), "warm_up", lambda: None)()
    gc.freeze()


def release(trial_fn: TrialFunction, host: Host) -> None:
    """Calls the `release` of the trial function's module, where it has one: no trial moves in this process now."""
    with suppress(Exception):  # a device that is broken fails the next trial, which can say so
        getattr(sys.modules[trial_fn.__module__], "release", lambda host: None)(host)
