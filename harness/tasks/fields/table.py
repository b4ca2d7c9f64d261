"""The columns of a table as the ids and weights that a model of fields reads, and the file that describes them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from harness.data.clean import normalised
from harness.data.kinds.columns import SEVERAL
from harness.tasks.fields.cells import Cells

if TYPE_CHECKING:
    from harness.spec.task_options import ClickOptions

__all__ = ["FILE", "FieldTable"]

#: The file of an export, and of a folder of prepared data, that holds a table's description.
FILE = "fields.json"
#: A cell has at most so many ids: further categories, and further words of a text, are left out.
MAX_SLOTS = 32
#: What may separate the categories of a cell.
_SIGNS = ("|", ";")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of categories: the most that a cell has, what separates them, and those of train ((): hashed)."""

    name: str
    slots: int
    separator: str | None
    is_text: bool
    values: tuple[str, ...]

    def parts(self, cell: str) -> list[str]:
        """Returns the categories of a cell, or the words of a text; no more than the column has slots."""
        return _parts(cell, self.separator, is_text=self.is_text)[: self.slots]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberColumn:
    """A column of numbers, with the mean and the standard deviation of train."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTable:
    """Which id each category has: 0 for one that train lacks, then column by column; numbers have the last ids.

    With `buckets` the ids of a column are the hashes of its categories.
    """

    columns: tuple[Column, ...]
    numbers: tuple[NumberColumn, ...]
    buckets: int | None

    @classmethod
    def of(cls, cells: Cells, options: ClickOptions) -> Self:
        """Describes the cells of train."""
        columns = []
        for name, values in cells.categories.items():
            is_text = name == cells.text
            separator = _separator(options.separator, values) if name in cells.many else None
            found = [_parts(value, separator, is_text=is_text) for value in set(values)]
            names = sorted({part for parts in found for part in parts}) if options.ids == "vocabulary" else ()
            slots = min(MAX_SLOTS, max([1, *map(len, found)]))
            columns.append(Column(name=name, slots=slots, separator=separator, is_text=is_text, values=tuple(names)))
        numbers = [
            NumberColumn(name=name, mean=_known(np.nanmean, values), scale=_known(np.nanstd, values) or 1.0)
            for name, values in cells.numbers.items()
        ]
        buckets = options.buckets if options.ids == "hashing" else None
        return cls(columns=tuple(columns), numbers=tuple(numbers), buckets=buckets)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the file of `write`."""
        head = json.loads((folder / FILE).read_text(encoding="utf-8"))
        columns = tuple(Column(**{**column, "values": tuple(column["values"])}) for column in head["columns"])
        numbers = tuple(NumberColumn(**column) for column in head["numbers"])
        return cls(columns=columns, numbers=numbers, buckets=head["buckets"])

    def write(self, folder: Path) -> None:
        """Writes the description as JSON."""
        (folder / FILE).write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @property
    def slots(self) -> list[int]:
        """How many ids each column has in a row; a number has one."""
        return [*(column.slots for column in self.columns), *([1] * len(self.numbers))]

    def slots_of(self, names: Collection[str]) -> list[bool]:
        """Returns for each slot of a row whether it belongs to one of the columns."""
        columns = [*(column.name for column in self.columns), *(number.name for number in self.numbers)]
        return [name in names for name, slots in zip(columns, self.slots, strict=True) for _ in range(slots)]

    @property
    def vocab_size(self) -> int:
        """The number of ids."""
        return 1 + sum(map(self._size, self.columns)) + 2 * len(self.numbers)

    def encoded(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids, int32, and their weights, float32, of the cells: both [rows, slots]."""
        ids, weights, start = list[np.ndarray](), list[np.ndarray](), 1
        for column in self.columns:
            of_column, of_weights = self._encoded(column, cells.categories[column.name])
            ids.append(np.where(of_column >= 0, of_column + start, 0))
            weights.append(of_weights)
            start += self._size(column)
        for number in self.numbers:
            values = (cells.numbers[number.name] - number.mean) / number.scale
            is_known = np.isfinite(values)
            ids.append(np.where(is_known, start, start + 1)[:, None])
            weights.append(np.where(is_known, values, 1.0)[:, None])
            start += 2
        return np.hstack(ids).astype(np.int32), np.hstack(weights).astype(np.float32)

    def unknown(self, cells: Cells) -> dict[str, int]:
        """Returns how many rows have a category that train lacks, by column; columns without any are left out."""
        counts = {}
        for column in self.columns if self.buckets is None else ():
            ids, weights = self._encoded(column, cells.categories[column.name])
            if count := int(((ids < 0) & (weights > 0)).any(axis=1).sum()):
                counts[column.name] = count
        return counts

    def _size(self, column: Column) -> int:
        return len(column.values) if self.buckets is None else self.buckets

    def _encoded(self, column: Column, cells: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns ids within the column [rows, slots], -1 for what train lacks and for no category, and weights."""
        import pandas as pd

        codes, distinct = pd.factorize(np.asarray(cells, dtype=object))
        parts = [column.parts(cell) for cell in distinct]
        counts = np.array([len(part) for part in parts], dtype=np.int64)
        flat = np.array([name for part in parts for name in part], dtype=object)
        row_of = np.repeat(np.arange(len(parts)), counts)
        slot_of = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
        ids = np.full((len(parts), column.slots), -1, dtype=np.int64)
        weights = np.zeros(ids.shape)
        if self.buckets is None:
            ids[row_of, slot_of] = pd.Index(column.values, dtype=object).get_indexer(pd.Index(flat))
        else:
            ids[row_of, slot_of] = pd.util.hash_array(flat, categorize=False) % np.uint64(self.buckets)
        weights[row_of, slot_of] = 1 / counts[row_of]
        return ids[codes], weights[codes]


def _parts(cell: str, separator: str | None, *, is_text: bool) -> list[str]:
    if is_text:
        return _WORD.findall(normalised(cell))
    parts = cell.split(SEVERAL) if SEVERAL in cell else [cell] if separator is None else cell.split(separator)
    return [part.strip() for part in parts if part.strip()] if len(parts) > 1 or separator else parts


def _separator(option: str | None, cells: Sequence[str]) -> str | None:
    """Returns what separates the categories of a cell; `auto` is the sign that most cells of the column hold."""
    if option != "auto":
        return option
    return next((sign for sign in _SIGNS if sum(sign in cell for cell in cells) * 2 > len(cells)), None)


def _known(function: Any, values: np.ndarray) -> float:
    """Returns a statistic of the numbers that are known; 0 where none is."""
    return float(function(values)) if np.isfinite(values).any() else 0.0
