"""How much device memory a trial needs, learnt from the trials that were evaluated before it.

Knows nothing of slots or devices.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from harness.spec.study import Freeze
from harness.spec.trial import TrialConfig, TrialModel

__all__ = ["Needs", "micro_batch_size"]


class MemoryKind(NamedTuple):
    """Trials of one kind need the same memory, whatever their learning rate."""

    model: tuple[str, int | None, str]
    frozen: tuple[Freeze, bool]
    precision: str
    micro_batch_size: int
    max_length: int

    @property
    def tokens(self) -> int:
        """The most that one pass through the model takes."""
        return self.micro_batch_size * self.max_length


class Needs:
    """The largest need of each kind of trial, in bytes."""

    def __init__(self) -> None:
        self._bytes: dict[MemoryKind, int] = {}

    def learn(self, config: TrialConfig, num_bytes: int) -> None:
        """A trial with this config has needed so much, at least."""
        kind = _kind(config)
        if num_bytes > self._bytes.get(kind, 0):
            self._bytes[kind] = num_bytes

    def knows(self, config: TrialConfig) -> bool:
        """True when a trial alike was learnt from."""
        return _kind(config) in self._bytes

    def of(self, config: TrialConfig) -> int | None:
        """What trials alike have needed, in bytes.

        Where there was none: what the nearest one of the same checkpoint has needed, times as much as this one has
        more tokens in a pass, and never less. None: there was none of the checkpoint either.
        """
        kind = _kind(config)
        if kind in self._bytes:
            return self._bytes[kind]
        akin = [other for other in self._bytes if other.model == kind.model]
        if not akin:
            return None
        nearest = min(akin, key=lambda other: _distance(kind, other))
        return math.ceil(self._bytes[nearest] * max(1.0, kind.tokens / nearest.tokens))


def _distance(kind: MemoryKind, other: MemoryKind) -> tuple[int, float]:
    """Trials that differ in their size alone come first, then those of a size like it."""
    unlike = (kind.frozen != other.frozen) + (kind.precision != other.precision)
    return unlike, abs(math.log(kind.tokens / other.tokens))


def _kind(config: TrialConfig) -> MemoryKind:
    model = config.model
    return MemoryKind(
        model=_identity(model),
        frozen=(model.freeze, model.frozen_dropout),
        precision=config.training.precision,
        micro_batch_size=micro_batch_size(config),
        max_length=config.data.max_length,
    )


def _identity(model: TrialModel) -> tuple[str, int | None, str]:
    return model.checkpoint, model.layers, json.dumps(model.architecture, sort_keys=True)


def micro_batch_size(config: TrialConfig) -> int:
    """The rows of one pass through the model, as asked for."""
    return math.ceil(config.training.batch_size / config.training.accumulation_steps)
