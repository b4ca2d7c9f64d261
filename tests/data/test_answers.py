"""Answers in memory, in a file and back; files of the version before; files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.answers import Answers, read_answers, write_answers
from harness.data.encoded import Ragged
from harness.errors import RunError


def ragged(*rows: list[int]) -> Ragged:
    offsets = np.cumsum([0, *map(len, rows)])
    return Ragged(values=np.concatenate([np.array(row, dtype=np.int64) for row in rows]), offsets=offsets)


def classes(rows: int = 3) -> Answers:
    return Answers({"probabilities": np.eye(3, dtype=np.float32)[:rows]}, {"labels": np.arange(rows)})


def tags() -> Answers:
    """An output and a target of one name, ragged and dense, of three rows of which one is empty."""
    return Answers(
        outputs={"tags": ragged([1, 2], [], [3]), "score": np.array([0.5, 0.25, 1.0])},
        targets={"tags": ragged([1, 1], [], [3])},
    )


def assert_same(a: Answers, b: Answers) -> None:
    for one, other in ((a.outputs, b.outputs), (a.targets, b.targets)):
        assert list(one) == list(other)
        for name, array in one.items():
            twin = other[name]
            assert type(array) is type(twin)
            if isinstance(array, Ragged) and isinstance(twin, Ragged):
                np.testing.assert_array_equal(array.offsets, twin.offsets)
                np.testing.assert_array_equal(array.values, twin.values)
            else:
                np.testing.assert_array_equal(array, twin, strict=True)


def test_answers_come_back_split_by_split(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "winner.npz", {"validation": tags(), "test": classes()})
    assert_same(read_answers(path, "validation"), tags())
    assert_same(read_answers(path, "test"), classes())
    with np.load(path, allow_pickle=False) as stored:
        assert set(stored.files) == {
            "test/outputs/probabilities", "test/targets/labels", "validation/outputs/tags.values",
            "validation/outputs/tags.offsets", "validation/outputs/score", "validation/targets/tags.values",
            "validation/targets/tags.offsets",
        }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["winner.npz"]


@given(st.lists(st.lists(st.integers(-5, 5), max_size=4), min_size=1, max_size=6), st.data())
def test_taken_rows_are_those_asked_for(rows: list[list[int]], data: st.DataObject) -> None:
    order = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)), dtype=np.int64)
    answers = Answers({"tags": ragged(*rows)}, {"number": np.arange(len(rows))})
    found = answers.take(order)
    assert len(found) == len(order)
    assert np.asarray(found.targets["number"]).tolist() == order.tolist()
    taken = found.outputs["tags"]
    assert isinstance(taken, Ragged)
    assert [taken.of(np.array([row])).tolist() for row in range(len(order))] == [rows[row] for row in order]


def test_writing_again_replaces_the_file_or_leaves_it(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "best.npz", {"validation": classes()})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_answers(path, {"validation": Answers({"said": np.array([{}])}, {"labels": np.zeros(1)})})
    assert_same(read_answers(path, "validation"), classes())
    write_answers(path, {"validation": tags()}, durable=False)
    assert_same(read_answers(path, "validation"), tags())


@pytest.mark.parametrize("split", ["validation", "test"])
def test_files_of_the_version_before_are_read(tmp_path: Path, split: str) -> None:
    old = {"test_labels": np.arange(2), "test_probabilities": np.eye(3)[:2]}
    old |= {"validation_labels": np.arange(2), "validation_probabilities": np.eye(3)[:2]}
    np.savez(tmp_path / "winner.npz", allow_pickle=False, **old)
    found = read_answers(tmp_path / "winner.npz", split)
    assert_same(found, Answers({"probabilities": np.eye(3)[:2]}, {"labels": np.arange(2)}))


def test_bare_names_of_the_version_before_are_of_validation(tmp_path: Path) -> None:
    path = tmp_path / "validation.npz"
    np.savez(path, allow_pickle=False, labels=np.arange(2), probabilities=np.eye(3)[:2])
    assert_same(read_answers(path, "validation"), Answers({"probabilities": np.eye(3)[:2]}, {"labels": np.arange(2)}))
    with pytest.raises(RunError, match="split 'test' cannot be read"):
        read_answers(path, "test")


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00"])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "winner.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"winner\.npz: the answers for split 'test' cannot be read"):
        read_answers(path, "test")


def test_torn_file_and_single_array_are_no_answers(tmp_path: Path) -> None:
    path = write_answers(tmp_path / "winner.npz", {"test": classes()})
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(RunError):
            read_answers(path, "test")
    damaged = bytearray(whole)
    damaged[whole.index(np.eye(3, dtype=np.float32).tobytes()) + 3] ^= 1  # in the midst of an array
    path.write_bytes(damaged)
    with pytest.raises(RunError, match="CRC"):
        read_answers(path, "test")
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(RunError):
        read_answers(path, "test")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"test/targets/labels": np.arange(2)}, "need outputs and targets"),
        ({"test/outputs/probabilities": np.eye(2)}, "need outputs and targets"),
        ({"test/outputs/a": np.eye(3), "test/targets/b": np.arange(2)}, "different numbers of rows"),
        ({"test/outputs/a": np.eye(3), "test/targets/b": np.array(7)}, "a single number"),
        ({"test/outputs/a.values": np.arange(3), "test/targets/b": np.arange(2)}, "a.offsets"),
        (
            {"test/outputs/a.values": np.arange(3), "test/outputs/a.offsets": np.array([0, 9, 3]),
             "test/targets/b": np.arange(2)},
            "do not fit",
        ),
        (
            {"test/outputs/a.values": np.arange(3), "test/outputs/a.offsets": np.array([0.0, 1.0, 3.0]),
             "test/targets/b": np.arange(2)},
            "whole numbers",
        ),
    ],
)  # fmt: skip
def test_wrong_shapes_are_no_answers(tmp_path: Path, arrays: dict[str, np.ndarray], reason: str) -> None:
    np.savez(tmp_path / "winner.npz", allow_pickle=False, **arrays)
    with pytest.raises(RunError, match=reason):
        read_answers(tmp_path / "winner.npz", "test")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    old = {"test_labels": np.array([{}, {}]), "test_probabilities": np.eye(2)}
    np.savez(tmp_path / "winner.npz", **old)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="allow_pickle=False"):
        read_answers(tmp_path / "winner.npz", "test")


@pytest.mark.parametrize("name", ["a.values", "a/b", "", "two words"])
def test_names_that_keys_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an array"):
        Answers({name: np.zeros(1)}, {"labels": np.zeros(1)})


def test_same_targets_are_those_of_the_same_rows() -> None:
    assert classes().same_targets(Answers({"other": np.zeros(3)}, classes().targets))
    assert not classes().same_targets(classes(2))
    assert not classes().same_targets(classes().take(np.array([0, 2, 1])))
    assert not classes().same_targets(Answers(classes().outputs, {"numbers": np.arange(3)}))
    assert tags().same_targets(tags())
    moved = Answers(tags().outputs, {"tags": ragged([1], [1], [3])})
    assert not tags().same_targets(moved), "the same values, in other rows"
    assert not tags().same_targets(Answers(tags().outputs, {"tags": np.zeros(3)}))


def test_same_targets_may_be_kept_in_fewer_bits() -> None:
    exact, missing = np.array([0.1, 2.7, 3.3]), np.array([0.1, np.nan, 3.3])
    said = {"predictions": exact}
    assert Answers(said, {"numbers": exact}).same_targets(Answers(said, {"numbers": exact.astype(np.float32)}))
    assert Answers(said, {"numbers": missing}).same_targets(Answers(said, {"numbers": missing}))
    assert not Answers(said, {"numbers": exact}).same_targets(Answers(said, {"numbers": exact + 1e-3}))
