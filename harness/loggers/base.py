"""The protocol of a logger, and what every logger records of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from harness.records.schema import Progress, TrialRecord
from harness.spec.trial import TrialConfig

__all__ = ["Logger", "hyperparameters", "label", "scalars"]


class Logger:
    """Copies what happens to trials; a logger overrides the methods that it has a use for.

    A method may be slow and may raise: `Loggers` keeps both away from the sweep.
    """

    def started(self, config: TrialConfig) -> None:
        """A slot starts or resumes the trial: new, paused before, or left by an earlier coordinator."""

    def progressed(self, number: int, progress: Progress) -> None:
        """The trial was evaluated."""

    def paused(self, number: int) -> None:
        """The trial was paused."""

    def ended(self, record: TrialRecord) -> None:
        """The trial ended."""

    def close(self) -> None:
        """The sweep is over; no other call follows."""


def label(trial: TrialConfig | TrialRecord) -> str:
    """Returns the trial's name, which sorts by number: `trial-003`, `confirm-001`."""
    return f"{'trial' if trial.kind == 'search' else trial.kind}-{trial.number:03d}"


def hyperparameters(config: TrialConfig) -> dict[str, bool | float | int | str]:
    """Returns the searched values, the checkpoint and the seed; lists and null are written as text."""
    layers = {"layers": config.model.layers} if config.model.layers else {}
    values = {"checkpoint": config.model.checkpoint, **layers, "seed": config.training.seed, **config.params}
    return {
        name: value if isinstance(value, (bool, int, float, str)) else _text(value) for name, value in values.items()
    }


def _text(value: object) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, (list, tuple)) else str(value)


def scalars(values: Mapping[str, float]) -> dict[str, float]:
    """Returns the finite values: neither TensorBoard nor MLflow has a place for NaN."""
    return {name: float(value) for name, value in values.items() if isfinite(value)}
