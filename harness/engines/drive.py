"""What one slot does with trials: starts them, pulls them, lets them stand, saves and closes them.

Knows nothing of the study, of other slots, or of how commands arrive. Failures come back as data, not as exceptions.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import shutil
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.engines.messages import (
    Command,
    Drop,
    Evaluated,
    Event,
    Failed,
    Finish,
    Finished,
    Go,
    Snapshot,
    Snapshotted,
    Spilled,
    Start,
)
from harness.engines.protocol import Pause, TrialFunction
from harness.errors import DataError, FailReason, HarnessError, TrialFailure
from harness.records.schema import Progress
from harness.spec.trial import TrialConfig
from harness.training.host import Host

__all__ = ["LOG", "SNAPSHOT", "WEIGHTS", "Driver", "commit_folder", "load_trial_function"]

LOG, SNAPSHOT, WEIGHTS = "log.txt", "snapshot", "weights"
MESSAGE_LENGTH = 300
#: What else than `torch.OutOfMemoryError` says that memory is gone: torch's CPU allocator, MPS.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory")
#: How libraries with errors of their own (safetensors) say it.
DISK_FULL = ("no space left on device", "disk quota exceeded")
#: After these the process's device context is of no more use.
BROKEN_DEVICE = ("cuda error", "hip error", "device-side assert")

T = TypeVar("T")
Capture = Callable[[Path], AbstractContextManager[object]]


@dataclass(slots=True, kw_only=True)
class Trial:
    """A trial in this process's memory; `pause` is None until its first evaluation."""

    config: TrialConfig
    folder: Path
    generator: Generator[Pause]
    pause: Pause | None = None
    snapshotted: bool = False
    """True when the snapshot on disk is of the evaluation at which the trial stands."""

    def pull(self) -> Progress:
        try:
            self.pause = next(self.generator)
        except StopIteration:
            raise TrialFailure(FailReason.CRASH, "the trial function returned before its last evaluation") from None
        self.snapshotted = False
        return self.pause.progress

    def save(self) -> None:
        if self.pause is not None:
            commit_folder(self.folder / WEIGHTS, self.pause.save)

    def snapshot(self) -> None:
        if self.pause is not None and not self.snapshotted:
            commit_folder(self.folder / SNAPSHOT, self.pause.snapshot)
            self.snapshotted = True

    @property
    def memory_bytes(self) -> int:
        return self.pause.memory_bytes if self.pause is not None else 0


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
        self._trials: dict[int, Trial] = {}

    def execute(self, command: Command) -> Iterator[Event]:
        """Does what a command says. Asked for a snapshot of a trial that was spilled meanwhile, it says nothing."""
        match command:
            case Start():
                yield from self._make_room(command.config.number)
                yield self.start(command.config, command.folder, command.resume)
            case Go() | Finish() if command.number not in self._trials:
                now = time.time()
                message = "the trial does not stand in this process"
                yield Failed(number=command.number, start=now, end=now, reason=FailReason.CRASH, message=message)
            case Go():
                yield from self._make_room(command.number)
                done = self.snapshot(command.number) if command.snapshot else None
                if done is not None:
                    yield done
                if not isinstance(done, Failed):
                    yield self.pull(command.number)
            case Snapshot() if command.number in self._trials:
                yield self.snapshot(command.number)
            case Finish():
                yield self.finish(command.number, save=command.save)
            case Drop():
                self.close(command.number)
            case _:
                pass

    def start(self, config: TrialConfig, folder: Path, resume: Path | None = None) -> Evaluated | Failed:
        """Takes up a trial, from `resume` or from step 0, and runs it to its next evaluation."""
        self.close(config.number)
        self._trials[config.number] = Trial(config=config, folder=folder, generator=self._generate(config, resume))
        return self.pull(config.number)

    def pull(self, number: int) -> Evaluated | Failed:
        """Runs a trial to its next evaluation."""
        trial = self._trials[number]
        start = time.time()
        done = self._attempt(trial, trial.pull)
        if isinstance(done, Failed):
            return done
        return Evaluated(number=number, start=start, end=time.time(), progress=done)

    def _generate(self, config: TrialConfig, resume: Path | None) -> Generator[Pause]:
        """The trial function's generator; what calling it raises is raised at the first pull instead."""
        yield from self._trial_fn(config, self._data, self._host, resume)

    def snapshot(self, number: int) -> Snapshotted | Failed:
        """Writes the snapshot of a standing trial, in place of an older one."""
        trial = self._trials[number]
        start = time.time()
        failed = self._attempt(trial, trial.snapshot)
        return failed or Snapshotted(number=number, start=start, end=time.time())

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
        trial.pause = None
        try:
            with self._capture(trial.folder / LOG):
                trial.generator.close()
        except (Exception, SystemExit) as error:
            _write_traceback(trial.folder / LOG, error)

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

    def _attempt(self, trial: Trial, action: Callable[[], T]) -> T | Failed:
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

    def _failed(self, trial: Trial, start: float, error: BaseException) -> Failed:
        if not isinstance(error, TrialFailure):
            _write_traceback(trial.folder / LOG, error)
        reason, message = _reason(error), _one_line(error)
        fatal = reason is FailReason.CRASH and _breaks_device(error)
        return Failed(
            number=trial.config.number, start=start, end=time.time(), reason=reason, message=message, fatal=fatal
        )


def load_trial_function(name: str) -> TrialFunction:
    """The function behind "module:function"."""
    module, _, function = name.partition(":")
    found: TrialFunction = getattr(importlib.import_module(module), function)
    return found


def commit_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a new folder and puts it in the place of `folder`: a reader sees the old, the new, or none."""
    new, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    try:
        new.mkdir(mode=0o700)
        write(new)
        for path in (*new.rglob("*"), new):
            _sync(path)
        with suppress(FileNotFoundError):
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: BaseException) -> FailReason:
    if isinstance(error, TrialFailure):
        return error.reason
    if isinstance(error, DataError):
        return FailReason.DATA
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error).lower()
    if names & {"MemoryError", "OutOfMemoryError"}:
        return FailReason.OOM
    if isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY):
        return FailReason.OOM
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or any(words in text for words in DISK_FULL):
        return FailReason.DISK
    return FailReason.CRASH


def _breaks_device(error: BaseException) -> bool:
    return type(error).__name__ == "AcceleratorError" or any(words in str(error).lower() for words in BROKEN_DEVICE)


def _one_line(error: BaseException) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, HarnessError):
        return first[:MESSAGE_LENGTH]
    return ": ".join(part for part in (type(error).__name__, first) if part)[:MESSAGE_LENGTH]


def _write_traceback(log: Path, error: BaseException) -> None:
    """A full disk must not turn one failure into another."""
    with suppress(OSError), log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write("".join(traceback.format_exception(error)))
