from __future__ import annotations

import errno
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.engines.drive import Driver
from harness.engines.messages import (
    Evaluated,
    Failed,
    Go,
    Release,
    Snapshotted,
    Spilled,
    Start,
    decode_command,
    decode_event,
)
from harness.engines.messages import encode as wire
from harness.errors import CheckpointError, FailReason
from harness.records.shares import WRITTEN, read_share, write_share
from harness.tasks.progress import tell
from harness.testing.engines import make_slots
from harness.testing.fakes import FakePausedTrial, config, diary, run_trial
from harness.training.host import Host


def make_driver(data: str, trial_fn: Any = run_trial, budget: int = 10**9) -> Driver:
    return Driver(Host(place=make_slots(1)[0].place), data, trial_fn, memory_budget_bytes=budget)


def folder(tmp_path: Path, number: int) -> Path:
    path = tmp_path / str(number)
    path.mkdir()
    return path


def test_driver_many_standing_trials(tmp_path: Path, data: str) -> None:
    driver = make_driver(data)
    for number in range(3):
        assert isinstance(driver.start(config(number), folder(tmp_path, number)), Evaluated)
    went_on = driver.pull(1)
    assert isinstance(went_on, Evaluated) and went_on.progress.step == 4
    driver.close_all()
    assert sorted(diary(data, "closed")) == [["0"], ["1"], ["2"]]


def test_driver_notes_how_much_a_model_has_written(tmp_path: Path, data: str) -> None:
    home = folder(tmp_path, 0)
    noted: list[float | None] = []

    def writes(config: Any, data: str, host: Host, resume: Path | None = None) -> Iterator[FakePausedTrial]:
        for pause in run_trial(config, data, host, resume):
            noted.append(read_share(home / WRITTEN))
            tell(0, 4)
            time.sleep(1.1)  # it is told once a second
            tell(1)
            noted.append(read_share(home / WRITTEN))
            tell(3)
            yield pause

    write_share(home / WRITTEN, 0.5)  # of a process that was killed
    assert isinstance(make_driver(data, writes).start(config(0), home), Evaluated)
    assert noted == [None, 0.25]
    assert not (home / WRITTEN).exists()


def test_driver_snapshot_is_not_written_twice(tmp_path: Path, data: str) -> None:
    driver, home = make_driver(data), folder(tmp_path, 0)
    driver.start(config(0), home)
    assert isinstance(driver.snapshot(0), Snapshotted)
    first = (home / "snapshot").stat().st_ino
    driver.snapshot(0)
    assert (home / "snapshot").stat().st_ino == first
    driver.pull(0)
    driver.snapshot(0)
    assert '"step": 4' in (home / "snapshot" / "state.json").read_text()
    assert [path.name for path in home.iterdir()] == ["snapshot"]
    driver.close_all()


def test_driver_spills_the_longest_paused(tmp_path: Path, data: str) -> None:
    driver = make_driver(data, budget=1500)
    homes = [folder(tmp_path, number) for number in range(3)]
    events = [
        event for number in range(3) for event in driver.execute(Start(config=config(number), folder=homes[number]))
    ]
    spilled = [event.number for event in events if isinstance(event, Spilled)]
    assert spilled == [0]
    assert (homes[0] / "snapshot" / "state.json").exists() and not (homes[1] / "snapshot").exists()
    assert driver.offer(0) is None, "the coordinator was told already"
    (gone,) = driver.execute(Go(number=0))
    assert isinstance(gone, Failed) and "is not paused in this process" in gone.message
    driver.close_all()


def test_driver_says_what_a_trial_holds(tmp_path: Path, data: str) -> None:
    driver = make_driver(data)
    event = driver.start(config(0), folder(tmp_path, 0))
    assert isinstance(event, Evaluated) and event.memory_bytes == FakePausedTrial.memory_bytes
    driver.close_all()


@pytest.mark.parametrize("breaks", [False, True])
def test_driver_releases_what_its_trial_function_knows_of(
    data: str, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    """Where the module has no `release`, nothing; where that fails, the next trial will say so."""
    released: list[str] = []

    def release(host: Host) -> None:
        released.append(host.place.device)
        if breaks:
            raise RuntimeError("CUDA error")

    driver = make_driver(data)
    assert list(driver.execute(Release())) == []
    monkeypatch.setattr(sys.modules[run_trial.__module__], "release", release, raising=False)
    assert list(driver.execute(Release())) == []
    assert released == ["cpu"]


def test_driver_offers_only_what_stands(tmp_path: Path, data: str) -> None:
    offers: list[Any] = []

    def trial(*arguments: Any) -> Iterator[Any]:
        for pause in run_trial(*arguments):
            offers.append(driver.offer(0))
            yield pause

    driver, home = make_driver(data, trial), folder(tmp_path, 0)
    driver.start(config(0), home)
    assert offers == [None], "it was on its way"
    assert isinstance(driver.offer(0), Snapshotted)
    assert (home / "snapshot" / "state.json").exists()
    driver.close_all()


def test_driver_offer_that_cannot_be_written_ends_nothing(tmp_path: Path, data: str) -> None:
    class Full(FakePausedTrial):
        def snapshot(self, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "full")

    def trial(*arguments: Any) -> Iterator[Any]:
        for pause in run_trial(*arguments):
            yield Full(pause.progress, {}, [])

    driver, home = make_driver(data, trial), folder(tmp_path, 0)
    driver.start(config(0), home)
    assert driver.offer(0) is None
    assert "full" in (home / "log.txt").read_text()
    assert isinstance(driver.pull(0), Evaluated)
    failed = driver.snapshot(0)
    assert isinstance(failed, Failed) and failed.reason is FailReason.DISK


def test_driver_failure_frees_the_trial(tmp_path: Path, data: str) -> None:
    class Weights:
        pass

    held: list[weakref.ref[Weights]] = []

    def trial(*arguments: Any) -> Iterator[Any]:
        weights = Weights()
        held.append(weakref.ref(weights))
        raise MemoryError
        yield

    failed = make_driver(data, trial).start(config(0), folder(tmp_path, 0))
    assert isinstance(failed, Failed) and failed.reason is FailReason.OOM
    assert held[0]() is None


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), FailReason.OOM, "Runt"),
        (RuntimeError("MPS backend out of memory"), FailReason.OOM, "RuntimeError: MPS"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FailReason.DISK, "OSError: [Errno 122]"),
        (Exception("I/O error: No space left on device (os error 28)"), FailReason.DISK, "Exception: I/O"),
        (OSError(errno.ENOENT, "gone"), FailReason.CRASH, "FileNotFoundError: [Errno 2] gone"),
        (ValueError(""), FailReason.CRASH, "ValueError"),
        (ValueError("\n\n  two\nlines"), FailReason.CRASH, "ValueError: two"),
        (ValueError("x" * 10_000), FailReason.CRASH, "ValueError: xxx"),
    ],
)
def test_driver_reasons(tmp_path: Path, data: str, error: Exception, reason: FailReason, message: str) -> None:
    def trial(*arguments: Any) -> Iterator[Any]:
        raise error
        yield

    failed = make_driver(data, trial).start(config(0), folder(tmp_path, 0))
    assert isinstance(failed, Failed) and failed.reason is reason
    assert failed.message.startswith(message) and len(failed.message) <= 300


def test_driver_trial_function_that_is_none(tmp_path: Path, data: str) -> None:
    def wrong() -> None:
        pass

    failed = make_driver(data, wrong).start(config(0), folder(tmp_path, 0))
    assert isinstance(failed, Failed) and "positional argument" in failed.message
    failed = make_driver(data, lambda *arguments: iter(())).start(config(0), tmp_path / "0")
    assert isinstance(failed, Failed) and "returned before its last evaluation" in failed.message


def test_driver_raising_finally_is_survived(tmp_path: Path, data: str) -> None:
    def trial(*arguments: Any) -> Iterator[Any]:
        try:
            yield next(run_trial(*arguments))
        finally:
            raise ValueError("in finally")

    driver, home = make_driver(data, trial), folder(tmp_path, 0)
    driver.start(config(0), home)
    driver.close(0)
    assert "in finally" in (home / "log.txt").read_text()


def test_messages_keep_every_float(tmp_path: Path, data: str) -> None:
    driver = make_driver(data)
    event = driver.start(config(3), folder(tmp_path, 3))
    driver.close_all()
    assert isinstance(event, Evaluated)
    back = decode_event(wire(event))
    assert isinstance(back, Evaluated)
    assert back.progress.train_loss == event.progress.train_loss
    assert back.progress.metrics["log_loss"] != back.progress.metrics["log_loss"]
    start = Start(config=config(3), folder=tmp_path, resume=tmp_path / "snapshot")
    assert decode_command(wire(start)) == start
    assert decode_command(wire(Release())) == Release()


def test_driver_checks_the_models_once_before_the_first_trial(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[list[int]] = []

    def check_models(configs: Any, data: str, host: Host) -> None:
        checked.append([config.number for config in configs])
        if len(checked) == 2:
            raise CheckpointError("model.checkpoint: 'x': a model that cannot be trained")

    monkeypatch.setattr(sys.modules[run_trial.__module__], "check_models", check_models, raising=False)
    models = [config(number) for number in (0, 5)]
    host = Host(place=make_slots(1)[0].place)
    driver = Driver(host, data, run_trial, memory_budget_bytes=10**9, models=models)
    for number in (0, 1):
        assert isinstance(driver.start(config(number), folder(tmp_path, number)), Evaluated)
    assert checked == [[0, 5]]
    driver.close_all()
    driver = Driver(host, data, run_trial, memory_budget_bytes=10**9, models=models)
    failed = driver.start(config(2), folder(tmp_path, 2))
    assert isinstance(failed, Failed) and failed.refused
    assert failed.message == "model.checkpoint: 'x': a model that cannot be trained"
