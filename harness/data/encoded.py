"""Encoded examples: named arrays, ragged or dense, memory-mapped and shared by all workers.

Knows nothing of tokenizers or torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Encoded", "Ragged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged:
    """Rows of different lengths: row i is `values[offsets[i]:offsets[i + 1]]`; offsets is `[rows + 1]`."""

    values: np.ndarray
    offsets: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """The values of some rows, one after the other."""
        values, offsets = np.asarray(self.values), np.asarray(self.offsets)  # a memory map is slow to slice
        return np.concatenate([values[offsets[row] : offsets[row + 1]] for row in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """The examples of one split.

    `fields` are the model's inputs by name, `labels` class ids `[rows]` int64, `lengths` real tokens a row `[rows]`
    int32 (1 for images). `stats` are JSON: truncated_fraction, unknown_fraction, mean_length, max_length, ...
    """

    fields: Mapping[str, Ragged | np.ndarray]
    labels: np.ndarray
    lengths: np.ndarray
    stats: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def write(self, folder: Path) -> None:
        """Writes arrays and stats into `folder`, which must be new; the caller renames it into place."""
        folder.mkdir(parents=True)
        ragged = []
        for name, value in self.fields.items():
            if isinstance(value, Ragged):
                ragged.append(name)
                np.save(folder / f"{name}.values.npy", value.values)
                np.save(folder / f"{name}.offsets.npy", value.offsets)
            else:
                np.save(folder / f"{name}.npy", value)
        np.save(folder / "labels.npy", self.labels)
        np.save(folder / "lengths.npy", self.lengths)
        head = {"fields": list(self.fields), "ragged": ragged, "stats": dict(self.stats)}
        (folder / "encoded.json").write_text(json.dumps(head), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Encoded:
        """Memory-maps what `write` wrote."""

        def load(name: str) -> np.ndarray:
            array: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            return array

        head = json.loads((folder / "encoded.json").read_text(encoding="utf-8"))
        fields: dict[str, Ragged | np.ndarray] = {}
        for name in head["fields"]:
            if name in head["ragged"]:
                fields[name] = Ragged(values=load(f"{name}.values"), offsets=load(f"{name}.offsets"))
            else:
                fields[name] = load(name)
        return cls(fields=fields, labels=load("labels"), lengths=load("lengths"), stats=head["stats"])
