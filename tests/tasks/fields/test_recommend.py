"""Ranks of clicked items among those that a user does not have in train, and the items of an export."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.tasks.fields.cells import Cells
from harness.tasks.fields.items import Items, columns_of_user
from harness.tasks.fields.recommend import SEEN, candidates, chosen_users, ranks

TRAIN = (["ann", "ann", "bob", "cy"], ["m", "q", "n", "o"])
SPLIT = (["ann", "bob", "ann", "dee", "ann", "bob"], ["o", "m", "m", "n", "o", "o"])
#: Scores of the items o, m, n, in the order of the split.
SCORES = np.array([3.0, 2.0, 1.0])


def test_ranks_are_those_of_a_loop() -> None:
    fields = candidates(TRAIN, SPLIT)
    clicked = np.array([1, 1, 1, 1, 1, 0]) == 1
    found = ranks(fields, clicked, chosen_users(fields, None), lambda users: np.tile(SCORES, (len(users), 1)))
    # ann has m, so that o and n remain, and o is counted once; bob has n; dee has none.
    assert found.tolist() == [1, 2, 0, 3, 0, 0]
    assert fields[SEEN].of(np.arange(6)).tolist() == [1, 2]  # type: ignore[union-attr]


def test_equal_scores_have_their_mean_rank() -> None:
    fields = candidates(TRAIN, SPLIT)
    found = ranks(fields, np.ones(6, dtype=bool), chosen_users(fields, None), lambda users: np.zeros((len(users), 3)))
    assert found.tolist() == [1.5, 1.5, 0, 2, 0, 1.5]


def test_many_users_in_pieces() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.integers(70, size=3000), rng.integers(900, size=3000)
    names = [f"u{user}" for user in users], [f"i{item}" for item in items]
    fields = candidates((names[0][:1500], names[1][:1500]), (names[0][1500:], names[1][1500:]))
    scores = rng.normal(size=(len(set(names[0][1500:])), len(set(names[1][1500:]))))
    clicked = rng.random(1500) < 0.5
    found = ranks(fields, clicked, chosen_users(fields, None), lambda users: scores[users])
    seen, done = set(zip(users[:1500], items[:1500], strict=True)), set()
    order = {item: at for at, item in enumerate(dict.fromkeys(items[1500:]))}
    place = {user: at for at, user in enumerate(dict.fromkeys(users[1500:]))}
    for row, pair in enumerate(zip(users[1500:], items[1500:], strict=True)):
        if not clicked[row] or pair in seen or pair in done:
            assert found[row] == 0
            continue
        done.add(pair)
        own = scores[place[pair[0]]]
        left = [own[at] for item, at in order.items() if (pair[0], item) not in seen]
        assert found[row] == 1 + sum(value > own[order[pair[1]]] for value in left)


def test_some_users_are_chosen_the_same_way_every_time() -> None:
    fields = candidates(TRAIN, SPLIT)
    assert len(chosen_users(fields, 2)) == 2
    assert chosen_users(fields, 2).tolist() == chosen_users(fields, 2).tolist()
    found = ranks(fields, np.ones(6, dtype=bool), np.array([1]), lambda users: np.tile(SCORES, (len(users), 1)))
    assert found.tolist() == [0, 2, 0, 0, 0, 1]


def rows() -> tuple[Cells, dict[str, str]]:
    """Two users of two cities; films have one genre each; the hour differs from row to row."""
    columns = {"user": "who", "item": "film", "categories": "genre, city", "numbers": "hour"}
    categories = {
        "who": ["ann", "ann", "bob", "bob"],
        "film": ["m", "n", "m", "o"],
        "genre": ["war", "war", "war", "joy"],
        "city": ["Ulm", "Ulm", "Bonn", "Bonn"],
    }
    numbers = {"hour": np.array([1.0, 2.5, 3.0, float("nan")])}
    return Cells(categories=categories, numbers=numbers, many=("genre", "city"), text=""), columns


def test_columns_of_the_user_are_found() -> None:
    assert columns_of_user(*rows()) == {"who", "city"}


def test_items_for_a_user(tmp_path: Path) -> None:
    Items.of(*rows()).write(tmp_path)
    items = Items.read(tmp_path)
    assert items.pairs() == (["ann", "ann", "bob", "bob"], ["m", "n", "m", "o"])
    assert items.rows_for("bob") == [{"who": "bob", "film": "n", "genre": "war", "city": "Bonn", "hour": "2.5"}]
    assert [row["film"] for row in items.rows_for("nobody")] == ["m", "n", "o"]
    assert {row["city"] for row in items.rows_for("nobody")} == {""}
