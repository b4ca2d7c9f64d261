"""What a model said of the rows of a split beside what is true of them, in memory and in an .npz file without pickles.

A key of the file says split, part and name: `test/outputs/probabilities`; a ragged array has two (`file_arrays`).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.encoded import Arrays, Ragged, by_row, file_arrays, of_file
from harness.errors import RunError
from harness.records import earlier
from harness.records.files import write_bytes

__all__ = ["Answers", "read_answers", "write_answers"]

#: What numpy and zipfile raise for files that are torn, of another kind, or made by somebody else.
_UNREADABLE = (OSError, KeyError, TypeError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Answers:
    """`outputs` of a model and `targets` by name, dense or ragged, all with the same rows in one order.

    Raises:
        ValueError: there are no outputs or no targets, they have different numbers of rows, or a name is none.
    """

    outputs: Arrays
    targets: Arrays

    def __post_init__(self) -> None:
        if not (self.outputs and self.targets):
            raise ValueError("answers need outputs and targets")
        if unfit := [name for name, _ in self._arrays() if not name.isidentifier()]:
            raise ValueError(f"'{unfit[0]}' cannot be the name of an array: letters, digits and underscores only")
        rows = {name: _num_rows(array) for name, array in self._arrays()}
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"{name}: {count}" for name, count in rows.items())
            raise ValueError(f"outputs and targets have different numbers of rows ({counts})")

    def _arrays(self) -> Iterator[tuple[str, np.ndarray | Ragged]]:
        yield from self.outputs.items()
        yield from self.targets.items()

    def __len__(self) -> int:
        """The number of rows."""
        return len(next(iter(self.targets.values())))

    def take(self, rows: np.ndarray) -> Answers:
        """The answers for some rows, in the order asked for."""
        return Answers(by_row(self.outputs, rows), by_row(self.targets, rows))

    def same_targets(self, other: Answers) -> bool:
        """True when both are of the same rows, as far as the targets tell: the models can be compared row by row."""
        return self.targets.keys() == other.targets.keys() and all(
            _same(array, other.targets[name]) for name, array in self.targets.items()
        )


def _num_rows(array: np.ndarray | Ragged) -> int:
    """The rows of an array.

    Raises:
        ValueError: it has none, or its offsets do not fit its values.
    """
    if not isinstance(array, Ragged):
        if not np.ndim(array):
            raise ValueError("an array is a single number; the rows are its first axis")
        return len(array)
    offsets = np.asarray(array.offsets)
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        raise ValueError("the offsets of a ragged array are whole numbers, one more than it has rows")
    if offsets[0] != 0 or offsets[-1] != len(array.values) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError("the offsets of a ragged array do not fit its values")
    return len(array)


def _same(a: np.ndarray | Ragged, b: np.ndarray | Ragged) -> bool:
    if isinstance(a, Ragged) and isinstance(b, Ragged):
        return _same(a.offsets, b.offsets) and _same(a.values, b.values)
    if isinstance(a, Ragged) or isinstance(b, Ragged):
        return False
    first, second = np.asarray(a), np.asarray(b)
    if first.dtype.kind == second.dtype.kind == "f":  # one of the two may have been encoded in fewer bits
        kind = min(first.dtype, second.dtype, key=lambda dtype: dtype.itemsize)
        return np.array_equal(first.astype(kind), second.astype(kind), equal_nan=True)
    return np.array_equal(first, second)


def write_answers(path: Path, answers: Mapping[str, Answers], *, durable: bool = True) -> Path:
    """Writes the answers for each split by its name and returns `path`; the file is there whole or not at all.

    Args:
        path: an .npz file; its folder must exist.
        answers: by split ("validation", "test").
        durable: waits for the disk; not needed in a folder that is synced as a whole (`files.fill_folder`).
    """
    arrays = {
        f"{split}/{part}/{name}": array
        for split, of_split in answers.items()
        for part, named in (("outputs", of_split.outputs), ("targets", of_split.targets))
        for name, array in file_arrays(named).items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return write_bytes(path, buffer.getvalue(), durable=durable)


def read_answers(path: Path, split: str) -> Answers:
    """The answers for the rows of a split, from a file of this version or of the one before.

    Raises:
        RunError: the file is missing, cannot be read, or does not hold the split.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            keys = {earlier.array_key(key): key for key in stored.files}
            parts = [_part(f"{split}/{part}/", keys, stored) for part in ("outputs", "targets")]
        return Answers(*parts)
    except _UNREADABLE as error:
        raise RunError(f"{path}: the answers for split '{split}' cannot be read ({error})") from None


def _part(start: str, keys: Mapping[str, str], stored: Mapping[str, np.ndarray]) -> Arrays:
    return of_file({key.removeprefix(start): stored[keys[key]] for key in keys if key.startswith(start)})
