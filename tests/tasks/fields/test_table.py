"""Which ids cells have, and what is kept of them in the file of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import DataError
from harness.spec.task_options import ClickOptions
from harness.tasks.fields.cells import Cells, rendered
from harness.tasks.fields.table import MAX_SLOTS, FieldTable


def cells(
    users: list[str] = ["a", "b", "a"],  # noqa: B006 - never changed
    genres: list[str] = ["x|y", "y", "x|z"],  # noqa: B006
    years: list[float] = [1.0, 3.0, float("nan")],  # noqa: B006
    text: list[str] | None = None,
) -> Cells:
    texts = {"note": text} if text else {}
    return Cells(
        categories={"user": users, "genres": genres, **texts},
        numbers={"year": np.array(years)},
        many=("genres",),
        text="note" if text else "",
    )


def of(given: Cells, **options: Any) -> FieldTable:
    return FieldTable.of(given, ClickOptions(**options))


def test_ids_follow_each_other_and_unknown_ones_are_0() -> None:
    table = of(cells())
    assert table.slots == [1, 2, 1]
    assert table.vocab_size == 1 + 2 + 3 + 2
    ids, weights = table.encoded(cells(["b", "c", "a"], ["y", "q|x", ""], [3.0, 1.0, float("nan")]))
    assert ids.tolist() == [[2, 4, 0, 6], [0, 0, 3, 6], [1, 0, 0, 7]]
    assert weights.tolist() == [[1, 1, 0, 1], [1, 0.5, 0.5, -1], [1, 0, 0, 1]]
    assert table.unknown(cells(["b", "c", "a"], ["y", "q|x", ""])) == {"user": 1, "genres": 1}


def test_separator_is_found_given_or_none() -> None:
    assert [column.separator for column in of(cells()).columns] == [None, "|"]
    assert of(cells(genres=["x;y", "y", "z"])).columns[1].separator is None  # most cells hold one alone
    assert of(cells(genres=["x/y", "y", "z"]), separator="/").columns[1].values == ("x", "y", "z")
    assert of(cells(), separator=None).columns[1].values == ("x|y", "x|z", "y")


def test_lists_have_several_categories_whatever_separates() -> None:
    table = of(cells(genres=["x\x1fy", "y", "z"]), separator=None)
    assert table.columns[1].values == ("x", "y", "z")


def test_hashes_share_buckets_and_know_every_category() -> None:
    table = of(cells(), ids="hashing", buckets=8)
    assert table.vocab_size == 1 + 2 * 8 + 2
    ids, _ = table.encoded(cells(["new", "b", "new"]))
    assert ids[0, 0] == ids[2, 0] > 0
    assert table.unknown(cells(["new", "b", "new"])) == {}
    assert np.array_equal(ids, table.encoded(cells(["new", "b", "new"]))[0])


def test_texts_are_words_and_long_ones_are_cut() -> None:
    table = of(cells(text=["Red tea", "tea!", " ".join(f"w{at}" for at in range(100))]))
    assert table.columns[2].slots == MAX_SLOTS
    assert {"red", "tea"} < set(table.columns[2].values)


def test_file(tmp_path: Path) -> None:
    table = of(cells(), ids="hashing", buckets=5)
    table.write(tmp_path)
    assert FieldTable.read(tmp_path) == table
    of(cells()).write(tmp_path)
    assert FieldTable.read(tmp_path) == of(cells())


def test_numbers_that_are_never_known_or_all_equal() -> None:
    unknown, equal = of(cells(years=[float("nan")] * 3)), of(cells(years=[2.0] * 3))
    assert (unknown.numbers[0].mean, unknown.numbers[0].scale) == (0.0, 1.0)
    assert equal.encoded(cells(years=[2.0] * 3))[1][:, -1].tolist() == [0, 0, 0]


def test_a_row_as_text() -> None:
    assert rendered("{user} in {year}: {genres}", cells())[0] == "a in 1: x|y"
    assert rendered("{user} in {year}", cells())[2] == "a in "
    with pytest.raises(
        DataError, match=r"template: 'film' is no column that is read; read are 'user', 'genres', 'year'"
    ):
        rendered("{film}", cells())
