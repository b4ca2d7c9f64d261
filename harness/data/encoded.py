"""Encoded examples: named arrays, ragged or dense, memory-mapped and shared by all workers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.stats.ragged import Ragged, by_row

__all__ = ["MOST_ROWS", "Arrays", "Encoded", "Ragged", "by_row", "file_arrays", "joined", "of_file"]

#: Of `Encoded.stats`: the most rows of an evaluation batch, where they are large.
MOST_ROWS = "most_rows"
#: Targets or outputs: named arrays whose rows are in the same order.
Arrays = Mapping[str, np.ndarray | Ragged]


def joined(parts: Sequence[np.ndarray | Ragged]) -> np.ndarray | Ragged:
    """Joins the rows of all parts, one part after the other."""
    ragged = [part for part in parts if isinstance(part, Ragged)]
    if not ragged:
        return np.concatenate([np.asarray(part) for part in parts])
    lengths = np.concatenate([np.diff(part.offsets) for part in ragged])
    values = np.concatenate([part.values for part in ragged])
    return Ragged(values=values, offsets=np.concatenate([[0], np.cumsum(lengths)]))


def file_arrays(arrays: Arrays) -> dict[str, np.ndarray]:
    """Returns the arrays as a file of named arrays holds them: ragged ones as `<name>.values` and `<name>.offsets`."""
    plain: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if isinstance(array, Ragged):
            plain |= {f"{name}.values": array.values, f"{name}.offsets": array.offsets}
        else:
            plain[name] = array
    return plain


def of_file(plain: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | Ragged]:
    """Returns the arrays that `file_arrays` was given."""
    arrays: dict[str, np.ndarray | Ragged] = {}
    for key, array in plain.items():
        name, _, part = key.rpartition(".")
        if not name:
            arrays[key] = array
        elif part == "values":
            arrays[name] = Ragged(values=array, offsets=plain[f"{name}.offsets"])
    return arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """The examples of one split.

    `fields` are the model's inputs by name, `lengths` the real tokens of each example `[examples]` int32 (1 for
    images). `targets` are those of the rows by name. `row_of` holds the row of each example, rising, where a row has
    one example or more (the windows of a long text); None where example i is row i. `stats` are JSON:
    truncated_fraction, unknown_fraction, mean_length, max_length, padding, ...
    """

    fields: Arrays
    targets: Arrays
    lengths: np.ndarray
    row_of: np.ndarray | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def num_rows(self) -> int:
        """The number of rows; augmented copies count."""
        return len(self) if self.row_of is None or not len(self) else int(self.row_of[-1]) + 1

    def num_examples(self, rows: np.ndarray) -> np.ndarray:
        """Returns how many examples each of `rows` has [rows]."""
        if self.row_of is None:
            return np.ones(len(rows), dtype=np.int64)
        return np.searchsorted(self.row_of, rows, side="right") - np.searchsorted(self.row_of, rows)

    def examples_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the examples of `rows`, one row after the other."""
        if self.row_of is None:
            return rows
        counts = self.num_examples(rows)
        first = np.searchsorted(self.row_of, rows) - (np.cumsum(counts) - counts)
        return np.repeat(first, counts) + np.arange(counts.sum())

    @property
    def may_pad(self) -> bool:
        """False where a model's answers are right only in batches of rows of one length."""
        return self.stats.get("padding") != "none"

    def write(self, folder: Path) -> None:
        """Writes arrays and stats into `folder`, which must be new; the caller renames it into place."""
        folder.mkdir(parents=True)
        whole = {"lengths": self.lengths} | ({} if self.row_of is None else {"row_of": self.row_of})
        parts = {"fields": file_arrays(self.fields), "targets": file_arrays(self.targets), "rows": whole}
        for part, arrays in parts.items():
            for name, array in arrays.items():
                np.save(folder / f"{part}.{name}.npy", array)
        head = {part: list(arrays) for part, arrays in parts.items()} | {"stats": dict(self.stats)}
        (folder / "encoded.json").write_text(json.dumps(head), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Encoded:
        """Memory-maps the files of `write`."""
        head = json.loads((folder / "encoded.json").read_text(encoding="utf-8"))

        def mapped(part: str) -> dict[str, np.ndarray]:
            return {
                name: np.load(folder / f"{part}.{name}.npy", mmap_mode="r", allow_pickle=False) for name in head[part]
            }

        fields, targets = of_file(mapped("fields")), of_file(mapped("targets"))
        return cls(fields=fields, targets=targets, stats=head["stats"], **mapped("rows"))
