"""The trials of one slot: starts, runs, pauses, saves and closes them. Failures are returned, not raised."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
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
from harness.records.shares import WRITTEN, write_share
from harness.runtime import quick_imports
from harness.spec.foreign import trust
from harness.spec.trial import TrialConfig
from harness.tasks.progress import Shares, listening
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
    """The memory that the paused trial holds."""
    snapshotted: bool = False
    """True when the snapshot on disk is of the evaluation at which the trial is paused."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the trial is used: `offer` is called in another thread."""

    def pull(self) -> Progress:
        told = partial(write_share, self.folder / WRITTEN)
        told(1)  # one that was killed while it wrote has left its share
        with self.lock, listening(Shares(told)):
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
        """Writes the snapshot if there is none of this evaluation; the caller holds the lock."""
        if self.paused is not None and not self.snapshotted:
            fill_folder(self.folder / SNAPSHOT, self.paused.snapshot)
            self.snapshotted = True

    def close(self) -> None:
        with self.lock:
            self.paused = None
            self.generator.close()


class Driver:
    """The trials of one slot: at most one is running, any number are paused."""

    def __init__(
        self,
        host: Host,
        data: str,
        trial_fn: TrialFunction,
        *,
        memory_budget_bytes: int,
        models: Sequence[TrialConfig] = (),
        capture: Capture = lambda log: nullcontext(),
    ) -> None:
        """`models` are checked when the first trial starts; `capture` redirects what a trial prints to a log file."""
        self._host = host
        self._data = data
        self._trial_fn = trial_fn
        self._budget_bytes = memory_budget_bytes
        self._models = models
        self._capture = capture
        self._trials: dict[int, LoadedTrial] = {}

    def execute(self, command: Command) -> Iterator[Event]:
        """Executes a command and yields its events; `Snapshot` commands go to `offer` instead."""
        match command:
            case Measure():
                yield self.measure(command.config)
            case Start():
                self._host.lent_threads = command.threads
                yield from self._make_room(command.config.number)
                yield self.start(command.config, command.folder, command.resume)
            case Go() | Finish() if command.number not in self._trials:
                now = time.time()
                message = "the trial is not paused in this process"
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
        """Lets the trial function's module measure which precision `auto` means here, where it can.

        An error is not raised: it would keep the trial from training too, and the trial reports it.
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
        """Loads a trial, from the snapshot `resume` or at step 0, and runs it to its next evaluation."""
        self.close(config.number)
        self._trials[config.number] = LoadedTrial(
            config=config, folder=folder, generator=self._generate(config, resume)
        )
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
        """Returns the trial function's generator; an error of the call itself is raised at the first pull."""
        trust(config.task)  # the coordinator has checked that the user trusts it
        self._check_models()
        yield from self._trial_fn(config, self._data, self._host, resume)

    def _check_models(self) -> None:
        """Lets the trial function's module check, once, every model that a trial may have.

        Raises:
            InputError: one of them cannot be trained.
        """
        models, self._models = self._models, ()
        check = getattr(sys.modules[self._trial_fn.__module__], "check_models", None)
        if models and check is not None:
            check(models, self._data, self._host)

    def snapshot(self, number: int) -> Snapshotted | Failed:
        """Writes the snapshot of a paused trial in place of an older one."""
        trial = self._trials[number]
        start = time.time()
        failed = self._attempt(trial, trial.snapshot)
        return failed or Snapshotted(number=number, start=start, end=time.time())

    def offer(self, number: int) -> Snapshotted | None:
        """Writes the snapshot of a paused trial, in any thread, while another trial runs.

        Returns None when there is no snapshot: the trial is gone or running again, or the write failed. A failed write
        does not end the trial; it is tried again when the trial goes on here.
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
        """Closes a paused trial; with `save` writes its weights before."""
        trial = self._trials[number]
        start = time.time()
        failed = self._attempt(trial, trial.save) if save else None
        self.close(number)
        return failed or Finished(number=number, start=start, end=time.time())

    def close(self, number: int) -> None:
        """Closes a trial's generator, which frees its memory."""
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
        """Spills the longest paused trials until the others fit into the memory budget."""
        paused = [other for other in self._trials if other != number]
        held = sum(self._trials[other].memory_bytes for other in paused)
        for other in paused:
            if held <= self._budget_bytes:
                return
            held -= self._trials[other].memory_bytes
            done = self.snapshot(other)
            self.close(other)
            yield done if isinstance(done, Failed) else Spilled(number=other, start=done.start, end=done.end)

    def _attempt(self, trial: LoadedTrial, action: Callable[[], T]) -> T | Failed:
        """Runs `action`; an exception ends the trial and is returned as `Failed`."""
        start = time.time()
        try:
            with self._capture(trial.folder / LOG):
                return action()
        except (Exception, SystemExit) as error:
            failed = self._failed(trial, start, error)
        # The traceback held the trial's frames: only now can their memory be freed.
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
    """Returns the function named "module:function", with everything imported that its first trial needs."""
    module, _, function = name.partition(":")
    warm_up(name)
    trial_fn: TrialFunction = getattr(importlib.import_module(module), function)
    return trial_fn


def warm_up(name: str) -> None:
    """Imports the module of a trial function ahead of its first trial, and what its `warm_up` imports.

    Errors are raised when the job begins, not here. The imported objects stay for good, so the garbage collector skips
    them from then on; before the first trial there are no other objects.
    """
    if (name := name.partition(":")[0]) in sys.modules:
        return
    with suppress(Exception), quick_imports():
        getattr(importlib.import_module(name), "warm_up", lambda: None)()
    gc.freeze()


def release(trial_fn: TrialFunction, host: Host) -> None:
    """Calls the `release` of the trial function's module, where it has one; no trial may run in this process now."""
    with suppress(Exception):  # a broken device fails the next trial, which reports it
        getattr(sys.modules[trial_fn.__module__], "release", lambda host: None)(host)
