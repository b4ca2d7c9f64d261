"""The worker process of a slot, `python -m harness.engines.worker FD`: reads commands from a pipe and runs trials.

It stays warm from the first trial to the last and is killed when its parent is gone.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from harness.engines.drive import Driver, load_trial_function, warm_up
from harness.engines.messages import Begin, Command, Event, Failed, Quit, Ready, Snapshot, Warm, decode_command, encode
from harness.machine.lifeline import die_with_parent, kill_group
from harness.training.host import Host

__all__ = ["main"]

STDOUT, STDERR = 1, 2


@contextmanager
def captured(log: Path) -> Iterator[None]:
    """Redirects standard output and error to `log` in the block, for C code too; not when it cannot be opened."""
    try:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        yield
        return
    _flush()
    outer = os.dup(STDOUT), os.dup(STDERR)
    os.dup2(target, STDOUT)
    os.dup2(target, STDERR)
    os.close(target)
    try:
        yield
    finally:
        _flush()
        for descriptor, own in zip(outer, (STDOUT, STDERR), strict=True):
            os.dup2(descriptor, own)
            os.close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


class Worker:
    """Reads commands, runs the trials of a job and sends events.

    It has three threads: the main one runs trials, one reads commands, one writes snapshots that other slots wait for.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._offers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._driver: Driver | None = None
        self._host: Host | None = None
        threading.Thread(target=self._read, name="commands", daemon=True).start()
        threading.Thread(target=self._offer, name="offers", daemon=True).start()

    def _read(self) -> None:
        """Keeps the pipe empty, so that the coordinator never waits to write."""
        try:
            while True:
                command = decode_command(self._connection.recv_bytes())
                if isinstance(command, Snapshot):
                    self._offers.put(command.number)
                else:
                    self._commands.put(command)
        except (EOFError, OSError):
            kill_group()

    def _offer(self) -> None:
        while True:
            number = self._offers.get()
            event = self._driver.offer(number) if self._driver is not None else None
            if event is not None:
                self._send_event(event)

    def _send_event(self, event: Event) -> None:
        with self._sending:
            self._connection.send_bytes(encode(event))

    def run(self) -> None:
        """Executes commands until `Quit`."""
        while not isinstance(command := self._commands.get(), Quit):
            if isinstance(command, Warm):
                warm_up(command.trial_fn)
                continue
            for event in [self._begin(command)] if isinstance(command, Begin) else self._execute(command):
                self._send_event(event)
                if isinstance(event, Failed) and event.fatal:
                    return
        self._close()

    def _execute(self, command: Command) -> Iterator[Event]:
        return self._driver.execute(command) if self._driver is not None else iter(())

    def _begin(self, job: Begin) -> Ready:
        start = time.perf_counter()
        self._close()
        trial_fn = load_trial_function(job.trial_fn)
        self._host = Host(place=job.place, cache=self._host.cache if self._host is not None else {})
        self._driver = Driver(
            self._host,
            job.data,
            trial_fn,
            memory_budget_bytes=job.memory_budget_bytes,
            models=job.models,
            capture=captured,
        )
        return Ready(import_s=time.perf_counter() - start)

    def _close(self) -> None:
        if self._driver is not None:
            self._driver.close_all()


def main() -> None:
    """Runs the worker process, and skips the slow shutdown of the interpreter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable()
    die_with_parent()
    Worker(Connection(int(sys.argv[1]))).run()
    _flush()
    os._exit(0)


if __name__ == "__main__":
    main()
