"""Word embeddings cut down to the words that occur: half of a small model is words that a data set never uses.

An optimiser that only shrinks a row without gradients, by the same factor as every other such row, changes nothing but
rounding when these rows are left out: the factor is applied when the table is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from harness.data.encoded import Ragged
from harness.training.splits import Rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CompactEmbedding", "compact_table", "words_of"]

#: Below this many rows saved the second look-up costs more than it saves.
_MIN_SAVED_ROWS = 1024


def words_of(parts: Sequence[Rows]) -> np.ndarray | None:
    """Returns the ids of the words in all `parts`, sorted and unique; None where the data has no words."""
    word_ids = np.zeros(0, dtype=np.int64)
    for part in parts:
        ids = part.examples.fields.get("input_ids")
        if not isinstance(ids, Ragged):
            return None
        word_ids = np.union1d(word_ids, ids.of(part.rows))
    return word_ids


class CompactEmbedding(torch.nn.Module):
    """Looks up original ids in a table of the used ones. Replaces an `nn.Embedding`."""

    def __init__(self, table: torch.nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        ids = torch.zeros(table.num_embeddings, dtype=torch.long, device=used.device)
        ids[used] = torch.arange(len(used), device=used.device)
        self.register_buffer("_ids", ids, persistent=False)
        self._used = used
        self._original = table.weight.detach()
        self.weight = torch.nn.Parameter(self._original[used])

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Embeddings [*input_ids.shape, width]."""
        return functional.embedding(self._ids[input_ids], self.weight)  # type: ignore[index]

    @property
    def num_left_out(self) -> int:
        """How many parameters the rows have that are left out."""
        return self._original.numel() - self.weight.numel()

    def full(self, values: torch.Tensor, decay: float) -> torch.Tensor:
        """The whole table [num_embeddings, width] fp32: `values` for the used rows, the others decayed by `decay`."""
        table = self._original.float() * decay
        table[self._used] = values
        return table


def compact_table(model: PreTrainedModel, used_ids: np.ndarray, device: torch.device) -> dict[int, CompactEmbedding]:
    """Returns the replacement of the input embeddings of `model`, by their `id`: the rows `used_ids` (sorted, unique).

    It is empty where few rows are saved, where the table is shared with an output layer, and where it is a subclass of
    `nn.Embedding`. The whole table is not copied but shared, so `model` must not change.
    """
    table = None
    with suppress(NotImplementedError):  # CANINE hashes characters
        table = model.get_input_embeddings()
    if type(table) is not torch.nn.Embedding:
        return {}
    shared = sum(1 for _, weight in model.named_parameters(remove_duplicate=False) if weight is table.weight)
    if shared > 1 or table.num_embeddings - len(used_ids) < _MIN_SAVED_ROWS:
        return {}
    padding = [] if table.padding_idx is None else [table.padding_idx]
    used = np.union1d(used_ids, padding).astype(np.int64)
    return {id(table): CompactEmbedding(table, torch.from_numpy(used).to(device))}
