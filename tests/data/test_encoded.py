"""Named arrays by row: dense and ragged, in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.data.encoded import Encoded, Ragged, by_row, file_arrays, joined, of_file


def ragged(*rows: list[int]) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)])
    return Ragged(values=np.concatenate([np.array(row, dtype=np.int64) for row in rows]), offsets=offsets)


def rows_of(array: Ragged | np.ndarray) -> list[list[int]]:
    assert isinstance(array, Ragged)
    pairs = zip(array.offsets[:-1], array.offsets[1:], strict=True)
    return [array.values[start:end].tolist() for start, end in pairs]


def test_rows_are_taken_in_the_order_asked_for() -> None:
    arrays = {"tags": ragged([1], [], [2, 3]), "labels": np.array([7, 8, 9])}
    found = by_row(arrays, np.array([2, 0, 1, 2]))
    assert rows_of(found["tags"]) == [[2, 3], [1], [], [2, 3]]
    assert np.asarray(found["labels"]).tolist() == [9, 7, 8, 9]
    assert rows_of(by_row(arrays, np.arange(0))["tags"]) == []


def test_parts_are_joined_in_order() -> None:
    assert rows_of(joined([ragged([1], [2, 3]), ragged([]), ragged([4])])) == [[1], [2, 3], [], [4]]
    assert np.asarray(joined([np.array([[1, 2]]), np.array([[3, 4]])])).tolist() == [[1, 2], [3, 4]]


def test_arrays_come_back_from_a_file_without_pickles(tmp_path: Path) -> None:
    arrays = {"spans": ragged([4, 5], [], [6]), "scores": np.array([0.5, 0.25, 1.0])}
    np.savez(tmp_path / "best.npz", allow_pickle=False, **file_arrays(arrays))
    with np.load(tmp_path / "best.npz", allow_pickle=False) as file:
        assert set(file) == {"spans.values", "spans.offsets", "scores"}
        found = of_file(dict(file))
    assert list(found) == list(arrays)
    assert rows_of(found["spans"]) == [[4, 5], [], [6]]
    assert np.asarray(found["scores"]).tolist() == [0.5, 0.25, 1.0]


def test_encoded_examples_are_read_as_they_were_written(tmp_path: Path) -> None:
    """An input and a target may have one name; three examples are windows of two rows."""
    examples = Encoded(
        fields={"ids": ragged([1, 2], [3], [4]), "pixels": np.zeros((3, 2), dtype=np.uint8)},
        targets={"ids": ragged([5], [], [6, 7]), "labels": np.array([1, 0, 1])},
        lengths=np.array([2, 1, 1], dtype=np.int32),
        row_of=np.array([0, 0, 1]),
        stats={"mean_length": 1.5},
    )
    examples.write(tmp_path / "encoded")
    found = Encoded.open(tmp_path / "encoded")
    assert len(found) == 3
    assert (rows_of(found.fields["ids"]), rows_of(found.targets["ids"])) == ([[1, 2], [3], [4]], [[5], [], [6, 7]])
    assert np.asarray(found.targets["labels"]).tolist() == [1, 0, 1]
    assert np.asarray(found.row_of).tolist() == [0, 0, 1]
    assert found.stats == {"mean_length": 1.5}
    assert isinstance(found.lengths, np.memmap)


def test_example_is_a_row_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    Encoded(fields={}, targets={}, lengths=np.ones(2)).write(tmp_path / "encoded")
    assert Encoded.open(tmp_path / "encoded").row_of is None
