"""The number of steps of a training, and the step at a share of it."""

from __future__ import annotations

from math import ceil

__all__ = ["num_batches", "num_examples", "step_at", "total_steps", "warmup_steps"]


def num_examples(num_rows: int, train_rows: int | None, num_copies: int) -> int:
    """Returns the examples of an epoch: at most `train_rows` of `num_rows` rows, each with its augmented copies."""
    return min(num_rows, train_rows or num_rows) * (1 + num_copies)


def num_batches(num_rows: int, batch_size: int) -> int:
    """Returns the batches of an epoch; the last may be smaller."""
    return -(-num_rows // batch_size)


def total_steps(num_rows: int, batch_size: int, epochs: float) -> int:
    """Returns the steps of a full training, at least one."""
    return max(1, round(num_batches(num_rows, batch_size) * epochs))


def warmup_steps(total: int, warmup_fraction: float) -> int:
    """Returns the steps, of `total`, in which the learning rate rises."""
    return ceil(total * warmup_fraction)


def step_at(total: int, fraction: float) -> int:
    """Returns the step at a share of a training of `total` steps; at least the first and at most the last."""
    return min(total, max(1, round(total * fraction)))
