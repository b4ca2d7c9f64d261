from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.data.splits.units import cut_in_order, units_of

SHARES = {"validation": 0.1, "test": 0.1}


def test_units_of_one_column_are_its_values() -> None:
    assert units_of(["b", "a", "b"]).tolist() == [0, 1, 0]


def test_units_of_two_columns_join_what_either_joins() -> None:
    units = units_of(["a", "b", "b", "c", "d"], ["u", "u", "v", "w", "x"])
    assert units[0] == units[1] == units[2]
    assert len({units[0], units[3], units[4]}) == 3


def test_cut_in_order_gives_each_split_its_share() -> None:
    ranks = np.random.default_rng(0).permutation(200)
    parts = cut_in_order(np.arange(200), ranks, SHARES)
    assert [len(rows) for rows in parts.values()] == [160, 20, 20]
    assert ranks[parts["train"]].max() < ranks[parts["validation"]].min()
    assert ranks[parts["validation"]].max() < ranks[parts["test"]].min()


def test_cut_in_order_keeps_units_together_at_their_last_row() -> None:
    parts = cut_in_order(np.array([0, 1, 2, 3, 4, 0]), np.arange(6), {"test": 0.2})
    assert parts["test"].tolist() == [0, 5]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 5)), min_size=1, max_size=40))
def test_cut_in_order_gives_each_row_once_and_leaves_no_split_empty(rows: list[tuple[int, int]]) -> None:
    units, ranks = units_of([str(unit) for unit, _ in rows]), np.array([rank for _, rank in rows])
    parts = cut_in_order(units, ranks, SHARES)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(rows)))
    homes = [set(units[part].tolist()) for part in parts.values()]
    assert sum(map(len, homes)) == units.max() + 1
    assert units.max() < 2 or all(homes)
