"""Rows of different lengths, and the taking of rows from arrays of both kinds.

numpy is imported inside functions, as in `metric`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Ragged", "by_row", "ragged_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged:
    """Rows of different lengths: row i is `values[offsets[i]:offsets[i + 1]]`; offsets is `[rows + 1]`."""

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def size(self) -> int:
        """How many numbers all rows hold together."""
        return int(self.values.size)

    def of(self, rows: np.ndarray) -> np.ndarray:
        """The values of some rows, one after the other."""
        import numpy as np

        values, offsets = np.asarray(self.values), np.asarray(self.offsets)  # a memory map is slow to slice
        return np.concatenate([values[offsets[row] : offsets[row + 1]] for row in rows] or [values[:0]])

    def take(self, rows: np.ndarray) -> Ragged:
        """Some rows, in the order asked for."""
        import numpy as np

        lengths = np.diff(np.asarray(self.offsets))[rows]
        return Ragged(values=self.of(rows), offsets=np.concatenate([[0], np.cumsum(lengths)]))


def ragged_of(array: np.ndarray | Ragged) -> Ragged:
    """Returns a ragged array as such.

    Raises:
        TypeError: it is dense.
    """
    if not isinstance(array, Ragged):
        raise TypeError("the array is dense, where one of rows of different lengths is needed")
    return array


def by_row(arrays: Mapping[str, np.ndarray | Ragged], rows: np.ndarray) -> dict[str, np.ndarray | Ragged]:
    """Some rows of every array, in the order asked for."""
    import numpy as np

    return {
        name: array.take(rows) if isinstance(array, Ragged) else np.asarray(array)[rows]
        for name, array in arrays.items()
    }
