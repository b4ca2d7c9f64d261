"""Deals rows into batches: by length and shuffled for training, sorted by length for evaluation.

Everything is a function of its arguments, so that a trial resumed at any step gets the batches that it would have got.
"""

from __future__ import annotations

import numpy as np

__all__ = ["MAX_ROWS", "evaluation_batches", "training_batches"]

#: Batches are cut from pools of this many batches, sorted by length: wide enough that padding nearly vanishes,
#: narrow enough that the order of examples still changes from epoch to epoch.
POOL_BATCHES = 64
#: The most rows of an evaluation batch.
MAX_ROWS = 256


def training_batches(lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Returns the batches of one epoch, each an array of row positions into `lengths` [rows].

    Rows are shuffled, cut into pools, sorted by length within a pool and cut into batches, which are shuffled. Pools
    are whole multiples of the batch size, so there is one short batch at most.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool = batch_size * POOL_BATCHES
    batches: list[np.ndarray] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches.extend(rows[at : at + batch_size] for at in range(0, len(rows), batch_size))
    return [batches[at] for at in random.permutation(len(batches))]


def evaluation_batches(
    lengths: np.ndarray, *, max_positions: int, max_rows: int = MAX_ROWS, padded: bool = True
) -> list[np.ndarray]:
    """Returns all rows by length, in batches of at most `max_positions` tokens and padding and `max_rows` rows.

    Where `padded` is false, the rows of a batch have one length.
    """
    order = np.argsort(lengths, kind="stable")
    batches: list[np.ndarray] = []
    start = 0
    for at in range(1, len(order) + 1):
        is_full = at == len(order) or at - start == max_rows
        longest = 0 if is_full else int(lengths[order[at]])
        if is_full or (at - start + 1) * longest > max_positions or (not padded and longest > lengths[order[start]]):
            batches.append(order[start:at])
            start = at
    return batches
