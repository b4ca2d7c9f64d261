"""The coordinator's side of the worker processes: starts them, exchanges messages, replaces and stops them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO

from harness.engines.messages import (
    Begin,
    Command,
    Died,
    Evaluated,
    Event,
    Failed,
    Finish,
    Finished,
    Go,
    Quit,
    Ready,
    Start,
    Warm,
    decode_event,
    encode,
)
from harness.errors import EngineError, FailReason
from harness.machine import resources
from harness.machine.slots import Slot
from harness.spec.trial import TrialConfig

__all__ = ["ProcessPool"]

#: A dead process is seen at once by the end of its pipe, unless a child of it holds the pipe: then after this.
POLL_S = 1.0
#: The time that workers have to close their trials before they are killed.
GRACE_S = 2.0
TAIL_LINES = 5


class WorkerProcess:
    """One worker process, in a session of its own, so that Ctrl-C reaches the coordinator only."""

    def __init__(self, slot: Slot, first: Command) -> None:
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        ours, theirs = socket.socketpair()
        try:
            self.process = self._spawn(slot, theirs)
        except OSError as error:
            ours.close()
            raise EngineError(f"slot {slot.place.slot}: no worker process could be started ({error})") from None
        finally:
            theirs.close()
        self.connection = Connection(ours.detach())
        self.ready = False
        self.send(first)

    def _spawn(self, slot: Slot, pipe: socket.socket) -> subprocess.Popen[bytes]:
        # -P and this process's path: exactly what can be imported here can be imported there.
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.engines.worker", str(pipe.fileno())],
            env=os.environ | slot.env | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            pass_fds=(pipe.fileno(),),
            stdin=subprocess.PIPE,  # never written: the kernel tells the worker when we are gone
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def send(self, command: Command) -> None:
        with suppress(OSError):  # `receive` finds dead workers
            self.connection.send_bytes(encode(command))

    def kill(self) -> int:
        """Kills the process and what it started; returns its exit status."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        self.connection.close()
        self.log.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return status

    def tail(self) -> str:
        """The last lines that the process printed outside of trials."""
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return " | ".join(line.strip() for line in lines[-TAIL_LINES:])


class ProcessPool:
    """One worker process for each slot; a dead one is replaced at once."""

    def __init__(self, slots: Sequence[Slot], *, memory_budget_bytes: int | None, max_restarts: int) -> None:
        self.places = [slot.place for slot in slots]
        self._slots = slots
        self._budget_bytes = memory_budget_bytes
        self._max_restarts = max_restarts
        self._workers: dict[int, WorkerProcess] = {}
        self._failed_starts = [0] * len(slots)
        self._deadlines: dict[int, float] = {}
        self._jobs: list[Begin] = []
        self._oom_kills = resources.oom_kills()

    def warm(self, trial_fn: str) -> None:
        """Starts workers ahead of their first job: one for each core except the one that this process uses.

        With more of them, the first worker would only be ready later.
        """
        for slot in range(min(len(self._slots), max(1, resources.cores() - 1))):
            if slot not in self._workers:
                self._workers[slot] = WorkerProcess(self._slots[slot], Warm(trial_fn=trial_fn))

    def begin(self, data: str, trial_fn: str, models: Sequence[TrialConfig] = ()) -> None:
        """Gives every worker its job; missing workers are started, all at once."""
        self._jobs = [
            Begin(
                place=slot.inside,
                data=data,
                trial_fn=trial_fn,
                memory_budget_bytes=slot.standing_bytes(self._budget_bytes),
                models=tuple(models),
            )
            for slot in self._slots
        ]
        for slot, job in enumerate(self._jobs):
            if slot in self._workers:
                self._workers[slot].send(job)
            else:
                self._start(slot)

    def send(self, slot: int, command: Command, limit_s: float | None = None) -> None:
        """Sends a command to a slot, to be done within `limit_s`; never waits, as workers always read their pipe."""
        self._workers[slot].send(command)
        if isinstance(command, (Go, Start, Finish)):
            self._deadlines.pop(slot, None)
        if limit_s is not None:
            self._deadlines[slot] = time.monotonic() + limit_s

    def receive(self) -> list[tuple[int, Event]]:
        """Waits for events of the workers and returns them; after `POLL_S` without any it returns an empty list."""
        patience_s = min([POLL_S, *(deadline - time.monotonic() for deadline in self._deadlines.values())])
        readable = wait([worker.connection for worker in self._workers.values()], timeout=max(0.0, patience_s))
        slots = [slot for slot, worker in self._workers.items() if worker.connection in readable]
        events = [(slot, self._receive_from(slot)) for slot in slots]
        late = [slot for slot, end in self._deadlines.items() if time.monotonic() >= end and slot not in slots]
        events += [(slot, self._kill_late(slot)) for slot in late]
        if not events:
            dead = [slot for slot, worker in self._workers.items() if worker.process.poll() is not None]
            events = [(slot, self._replace_dead(slot)) for slot in dead]
        return events

    def _receive_from(self, slot: int) -> Event:
        worker = self._workers[slot]
        try:
            event = decode_event(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return self._replace_dead(slot)
        if isinstance(event, Ready):
            worker.ready, self._failed_starts[slot] = True, 0
        if isinstance(event, (Evaluated, Failed, Finished)):
            self._deadlines.pop(slot, None)
        return event

    def _kill_late(self, slot: int) -> Died:
        self._workers.pop(slot).kill()
        self._start(slot)
        return Died(reason=FailReason.TIMEOUT, message="")

    def _replace_dead(self, slot: int) -> Died:
        """Replaces a dead worker by a new one, and returns why the old one died."""
        worker = self._workers.pop(slot)
        # The kernel closes the pipe some milliseconds before the exit status can be read.
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(GRACE_S)
        tail = worker.tail()
        died = self._cause(worker.kill())
        if not worker.ready:
            self._failed_starts[slot] += 1
            if self._failed_starts[slot] >= self._max_restarts:
                text = f"the worker of slot {slot} died {self._failed_starts[slot]} times at its start"
                raise EngineError(f"{text} ({died.message}); it said: {tail or 'nothing'}")
        self._start(slot)
        return died

    def _start(self, slot: int) -> None:
        self._deadlines.pop(slot, None)
        self._workers[slot] = WorkerProcess(self._slots[slot], self._jobs[slot])

    def _cause(self, status: int) -> Died:
        kills = resources.oom_kills()
        for_memory = status == -signal.SIGKILL and kills > self._oom_kills
        self._oom_kills = kills
        if for_memory:
            return Died(reason=FailReason.OOM, message="the kernel killed the worker process for lack of memory")
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        killed = -status in (signal.SIGKILL, signal.SIGTERM)
        return Died(reason=FailReason.CRASH, message=f"the worker process died ({how})", killed=killed)

    def stop(self) -> None:
        """Tells workers to quit and kills those that are left after `GRACE_S`."""
        try:
            busy = [worker for worker in self._workers.values() if worker.ready]
            for worker in busy:
                worker.send(Quit())
            deadline = time.monotonic() + GRACE_S
            for worker in busy:
                with suppress(subprocess.TimeoutExpired):
                    worker.process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for worker in self._workers.values():
                worker.kill()
            self._workers.clear()
            self._deadlines.clear()
