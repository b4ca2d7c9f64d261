"""Reads what is learned from the encoded rows of causal language models: see `encode_dialogues` for their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.data.encoded import Encoded
from harness.stats.ragged import ragged_of

if TYPE_CHECKING:
    import torch

__all__ = ["learned_counts", "learned_tokens", "prompts_of"]


def learned_tokens(encoded: Encoded, rows: np.ndarray, length: int | None) -> dict[str, torch.Tensor]:
    """Returns the learned tokens of all `rows`, one row after the other [tokens] int64, and where they follow.

    `kept` [rows, longest row, or `length`] is true at the place before a learned token.
    """
    import torch

    ids, keeps = (ragged_of(encoded.fields[name]).take(rows) for name in ("input_ids", "logits_to_keep"))
    learned, lengths = np.flatnonzero(keeps.values), np.diff(keeps.offsets)
    row_of = np.repeat(np.arange(len(rows)), lengths)[learned]
    kept = np.zeros((len(rows), int(lengths.max()) if length is None else length), dtype=bool)
    kept[row_of, learned - keeps.offsets[row_of]] = True
    tokens = ids.values[learned + 1].astype(np.int64)
    return {"tokens": torch.from_numpy(tokens), "kept": torch.from_numpy(kept)}


def learned_counts(encoded: Encoded) -> np.ndarray:
    """Returns how many tokens of each example are learned [examples]."""
    keeps = ragged_of(encoded.fields["logits_to_keep"])
    sums = np.concatenate([[0], np.cumsum(keeps.values, dtype=np.int64)])
    offsets = np.asarray(keeps.offsets)
    counts: np.ndarray = sums[offsets[1:]] - sums[offsets[:-1]]
    return counts


def prompts_of(encoded: Encoded, rows: np.ndarray) -> list[np.ndarray]:
    """Returns the tokens before the answer of each of `rows`."""
    ids, lengths = ragged_of(encoded.fields["input_ids"]), np.asarray(encoded.fields["prompt_lengths"])
    starts = np.asarray(ids.offsets)
    return [np.asarray(ids.values[starts[row] : starts[row] + lengths[row]]) for row in rows]
