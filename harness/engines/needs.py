"""Estimates how much device memory a trial needs, from the trials that were evaluated before it."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from harness.spec.study import Freeze
from harness.spec.study.adapters import Adapter
from harness.spec.trial import TrialConfig, TrialModel

__all__ = ["Needs", "micro_batch_size"]


class MemoryKind(NamedTuple):
    """The facts of a trial that decide its memory: trials of one kind need the same."""

    model: tuple[str, int | None, str]
    trained: tuple[Freeze, bool, Adapter, bool]
    precision: str
    micro_batch_size: int
    max_length: int

    @property
    def tokens(self) -> int:
        """The largest number of tokens in one pass through the model."""
        return self.micro_batch_size * self.max_length


class Needs:
    """The largest need of each kind of trial, in bytes."""

    def __init__(self) -> None:
        self._bytes: dict[MemoryKind, int] = {}

    def learn(self, config: TrialConfig, num_bytes: int) -> None:
        """Notes that a trial with this config needed at least `num_bytes`."""
        kind = _kind(config)
        if num_bytes > self._bytes.get(kind, 0):
            self._bytes[kind] = num_bytes

    def knows(self, config: TrialConfig) -> bool:
        """Returns True when a trial of this kind was learnt from."""
        return _kind(config) in self._bytes

    def of(self, config: TrialConfig) -> int | None:
        """Returns what trials of the same kind needed, in bytes.

        Without such a trial it is the need of the nearest kind with the same checkpoint, scaled up by the tokens in a
        pass; None when there is no trial of the checkpoint either.
        """
        kind = _kind(config)
        if kind in self._bytes:
            return self._bytes[kind]
        same_checkpoint = [other for other in self._bytes if other.model == kind.model]
        if not same_checkpoint:
            return None
        nearest = min(same_checkpoint, key=lambda other: _distance(kind, other))
        return math.ceil(self._bytes[nearest] * max(1.0, kind.tokens / nearest.tokens))


def _distance(kind: MemoryKind, other: MemoryKind) -> tuple[int, float]:
    """Sorts kinds that differ in size only first, then by how near their size is."""
    num_differences = (kind.trained != other.trained) + (kind.precision != other.precision)
    return num_differences, abs(math.log(kind.tokens / other.tokens))


def _kind(config: TrialConfig) -> MemoryKind:
    model = config.model
    return MemoryKind(
        model=_identity(model),
        trained=(model.freeze, model.frozen_dropout, model.adapter, model.gradient_checkpointing),
        precision=config.training.precision,
        micro_batch_size=micro_batch_size(config),
        max_length=config.data.max_length,
    )


def _identity(model: TrialModel) -> tuple[str, int | None, str]:
    return model.checkpoint, model.layers, json.dumps(model.architecture, sort_keys=True)


def micro_batch_size(config: TrialConfig) -> int:
    """Returns the rows of one pass through the model, as configured."""
    return math.ceil(config.training.batch_size / config.training.accumulation_steps)
