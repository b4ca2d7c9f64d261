"""A pool of slots on one device that has memory like a real one, and nothing else: no process, no clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.engines.messages import (
    Command,
    Drop,
    Evaluated,
    Event,
    Failed,
    Finish,
    Finished,
    Go,
    Ready,
    Release,
    Snapshot,
    Snapshotted,
    Start,
)
from harness.errors import FailReason
from harness.machine.slots import Slot
from harness.records.schema import Place, Usage
from harness.spec.trial import TrialConfig
from harness.testing.fakes import TOTAL_STEPS, config, evaluation

MIB, GIB = 2**20, 2**30
CONTEXT = 400 * MIB


def sized(number: int, gib: int) -> TrialConfig:
    """A trial that needs so much; the batch size says it."""
    plain = config(number)
    return plain.model_copy(update={"training": plain.training.model_copy(update={"batch_size": gib})})


def make_card(gib: int = 32, *, slots: int = 4, device: str = "cuda:0") -> list[Slot]:
    place = Place(node="here", device=device, slot=0, threads=1)
    return [Slot(place.model_copy(update={"slot": at}), {}, memory_bytes=gib * GIB // slots) for at in range(slots)]


@dataclass
class Running:
    """A trial in a process; `runs` until it is evaluated."""

    config: TrialConfig
    step: int = 0
    peak: int = 0
    runs: bool = True


class Card:
    """A `Pool`. Which of the running trials is evaluated next is drawn, or, without a seed, the one that began first.

    A trial takes a gibibyte for each row of its batch while it runs, and the share `paused` of that while it is paused.
    A process keeps the most that it has had until it is told to release it. `break_at` says which trials run out of
    memory.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        seed: int | None = None,
        paused: float = 0.25,
        break_at: Callable[[int, int], bool] = lambda number, step: False,
    ) -> None:
        self.places = [slot.place for slot in slots]
        self.sent: list[tuple[int, Command]] = []
        self.together: list[list[int]] = []
        self.begun: list[int] = []
        self.most = 0
        self._break_at = break_at
        self._share = paused
        self._rng = random.Random(seed) if seed is not None else None
        self._inside: list[dict[int, Running]] = [{} for _ in slots]
        self._to_drop: list[list[int]] = [[] for _ in slots]
        self._reserved = [0] * len(slots)
        self._peak = [0] * len(slots)
        self._saved: dict[int, Running] = {}
        self._events: list[tuple[int, Event]] = [(slot, Ready()) for slot in range(len(slots))]
        self._working: list[tuple[int, int]] = []

    def send(self, slot: int, command: Command, limit_s: float | None = None) -> None:
        self.sent.append((slot, command))
        inside = self._inside[slot]
        match command:
            case Start():
                number = command.config.number
                resumed = command.resume is not None and number in self._saved
                inside[number] = Running(command.config, step=self._saved[number].step if resumed else 0)
                self._set_running(slot, number)
            case Go():
                self._set_running(slot, command.number)
            case Snapshot():
                self._saved[command.number] = inside[command.number]
                self._events.append((slot, Snapshotted(number=command.number, start=0, end=0)))
            case Finish():
                del inside[command.number]
                self._events.append((slot, Finished(number=command.number, start=0, end=0)))
            case Drop() if any(trial.runs for trial in inside.values()):
                self._to_drop[slot].append(command.number)  # a process does one thing after the other
            case Drop():
                inside.pop(command.number, None)
            case Release():
                assert not any(trial.runs for trial in inside.values()), "released under a running trial"
                self._reserved[slot] = self._peak[slot] = self._allocated(slot)

    def receive(self) -> list[tuple[int, Event]]:
        if not self._events:
            slot, number = self._working.pop(self._rng.randrange(len(self._working)) if self._rng else 0)
            self._events.append((slot, self._evaluate(slot, number)))
        return [self._events.pop(0)]

    def _set_running(self, slot: int, number: int) -> None:
        trial = self._inside[slot][number]
        if trial.step == 0:
            self.begun.append(number)
            self._peak[slot] = 0
        trial.runs = True
        self._working.append((slot, number))
        running = [number for inside in self._inside for number, trial in inside.items() if trial.runs]
        self.together.append(sorted(running))
        self._peak[slot] = max(self._peak[slot], self._allocated(slot))
        self._reserved[slot] = max(self._reserved[slot], self._allocated(slot))
        if len(running) > 1:
            self.most = max(self.most, sum(self._reserved) + CONTEXT * len(self.places))

    def _allocated(self, slot: int) -> int:
        return sum(
            self.needs(trial) if trial.runs else self.paused_bytes(trial) for trial in self._inside[slot].values()
        )

    def needs(self, trial: Running) -> int:
        return trial.config.training.batch_size * GIB

    def paused_bytes(self, trial: Running) -> int:
        return int(self.needs(trial) * self._share)

    def _evaluate(self, slot: int, number: int) -> Event:
        event = self._evaluated(slot, number)
        for dropped in self._to_drop[slot]:
            self._inside[slot].pop(dropped, None)
        self._to_drop[slot].clear()
        return event

    def _evaluated(self, slot: int, number: int) -> Event:
        trial = self._inside[slot][number]
        trial.step = 2 if trial.step == 0 else trial.step * 2
        if self._break_at(number, trial.step):
            del self._inside[slot][number]
            return Failed(number=number, start=0, end=0, reason=FailReason.OOM, message="out of memory")
        trial.runs, trial.peak = False, max(trial.peak, self._peak[slot])
        progress = evaluation(number, {"step": trial.step, "loss": 1 - number / 1000})
        progress = progress.model_copy(
            update={
                "metrics": progress.metrics | {"peak_memory_mib": trial.peak / MIB},
                "usage": Usage(elapsed_s=trial.step),
                "micro_batch_size": trial.config.training.batch_size,
            }
        )
        assert trial.step <= TOTAL_STEPS
        return Evaluated(number=number, start=0, end=0, progress=progress, memory_bytes=self.paused_bytes(trial))
