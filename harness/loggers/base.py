"""What a logger is, and what all of them say of a trial.

Knows nothing of TensorBoard or MLflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Protocol

from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig

__all__ = ["Logger", "hyperparameters", "label", "scalars"]


class Logger(Protocol):
    """Passes on what happens to trials. May be slow and may raise: `Loggers` stands between it and the sweep."""

    def started(self, config: TrialConfig) -> None:
        """A slot takes the trial up: new, paused before, or left by an earlier coordinator."""

    def progressed(self, number: int, progress: Progress) -> None:
        """The trial was evaluated."""

    def paused(self, number: int) -> None:
        """The trial stands and waits for others."""

    def ended(self, record: TrialRecord) -> None:
        """The trial ended."""

    def close(self) -> None:
        """Nothing more will come."""


def label(trial: TrialConfig | TrialRecord) -> str:
    """The trial's name, which sorts by number: `trial-003`, `confirm-001`."""
    return f"{'trial' if trial.kind == 'search' else trial.kind}-{trial.number:03d}"


def hyperparameters(config: TrialConfig) -> dict[str, bool | float | int | str]:
    """The searched values, the checkpoint and the seed; what is neither number nor text is written out."""
    kept = {"layers": config.model.layers} if config.model.layers else {}
    chosen = {"checkpoint": config.model.checkpoint, **kept, "seed": config.training.seed, **config.params}
    return {
        name: value if isinstance(value, (bool, int, float, str)) else _text(value) for name, value in chosen.items()
    }


def _text(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, (list, tuple)) else str(value)


def scalars(values: Mapping[str, float]) -> dict[str, float]:
    """The values that are numbers: neither logger has a place for NaN."""
    return {name: float(value) for name, value in values.items() if isfinite(value)}
