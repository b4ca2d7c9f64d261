"""Lines on the state in times without others, on a clock of the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from harness.terminal import heartbeat as module
from harness.terminal.heartbeat import Heartbeat


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Clock:
    """Stands still; counts how often it was read."""

    def __init__(self) -> None:
        self.now, self.num_reads = 0.0, 0

    def monotonic(self) -> float:
        self.num_reads += 1
        return self.now

    def read_again(self) -> None:
        """Waits until the thread has looked twice whether a line is due."""
        enough = self.num_reads + 4
        until(lambda: self.num_reads >= enough)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=made.monotonic))
    yield made


def test_a_line_ends_a_silence_of_the_interval_only(clock: Clock) -> None:
    lines: list[str] = []
    heartbeat = Heartbeat(lines.append, lambda: "working")
    heartbeat.start()
    clock.read_again()
    assert lines == []
    clock.now = 0.01
    until(lambda: lines == ["working"])
    clock.now = 0.015
    heartbeat.print_line("a trial ended")
    clock.now = 0.02  # an interval after the first line, and half of one after the second
    clock.read_again()
    assert lines == ["working", "a trial ended"]
    clock.now = 0.03
    until(lambda: len(lines) == 3)
    heartbeat.close()
    clock.now = 1.0
    assert lines == ["working", "a trial ended", "working"]
    assert not heartbeat._thread.is_alive()


def test_closing_does_not_wait_for_the_interval() -> None:
    lines: list[str] = []
    heartbeat = Heartbeat(lines.append, lambda: "working")
    heartbeat.start()
    closing = threading.Thread(target=heartbeat.close, daemon=True)
    closing.start()
    closing.join(timeout=module.INTERVAL_S / 2)
    assert not closing.is_alive()
    assert lines == []


class SlowLock:
    """A lock for which the heartbeat's thread asks, and which it takes only when it may."""

    def __init__(self) -> None:
        self.asked, self.may_take = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if threading.current_thread().name == "heartbeat":
            self.asked.set()
            self.may_take.wait(30)
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_line_that_was_due_is_not_printed_after_closing(clock: Clock) -> None:
    lines: list[str] = []
    heartbeat = Heartbeat(lines.append, lambda: "working")
    heartbeat._lock = lock = SlowLock()  # type: ignore[assignment]
    clock.now = 1.0
    heartbeat.start()
    assert lock.asked.wait(30)
    closing = threading.Thread(target=heartbeat.close, daemon=True)
    closing.start()
    until(heartbeat._closed.is_set)
    lock.may_take.set()
    closing.join(30)
    assert not closing.is_alive()
    assert lines == []


def test_what_the_thread_cannot_print_the_next_line_raises(clock: Clock) -> None:
    def write(line: str) -> None:
        raise BrokenPipeError

    heartbeat = Heartbeat(write, lambda: "working")
    clock.now = 1.0
    heartbeat.start()
    until(lambda: not heartbeat._thread.is_alive())
    with pytest.raises(BrokenPipeError):
        heartbeat.print_line("a trial ended")
    heartbeat.close()
