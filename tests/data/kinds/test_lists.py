"""Texts of lists, as Python, JSON and numpy write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.kinds import KINDS
from harness.data.kinds.lists import list_of, lists_of
from harness.errors import DataError

SETS = KINDS["label_set"]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['joy', 'love']", ["joy", "love"]),
        ("['joy' 'love']", ["joy", "love"]),
        ("['joy'\n 'love']", ["joy", "love"]),
        ('["joy", "it\'s"]', ["joy", "it's"]),
        (r"['it\'s' 'caf\xe9']", ["it's", "café"]),
        ("[ 3 10]", [3, 10]),
        ("[3, 10]", [3, 10]),
        ("[0. 1.5]", [0.0, 1.5]),
        ("[007]", ["007"]),
        ("('a', 'b')", ["a", "b"]),
        ("('a',)", ["a"]),
        ("{'a', 'b'}", ["a", "b"]),
        ("[np.str_('a'), np.str_('b')]", ["a", "b"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("['a', nan]", ["a", None]),
        ("[true, null]", [True, None]),
        ("[['a'], ['b']]", [["a"], ["b"]]),
        ("[]", []),
        ("set()", []),
        ("['a'", None),
        ("['a'] x", None),
        ("['a' 'b' ... 'z']", None),
        ("['a''b']", None),
        ("('a')", None),
        ("[positive]", None),
        ("{'a': 1}", None),
        ("joy", None),
        ("", None),
    ],
)
def test_list_of(text: str, items: list[Any] | None) -> None:
    assert list_of(text) == items


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5))
def test_what_python_and_numpy_write_is_read(items: list[str]) -> None:
    items = [item.rstrip("\0") for item in items]  # numpy drops them
    assert list_of(repr(items)) == items
    assert list_of(repr(tuple(items))) == items
    assert list_of(str(np.array(items))) == items


def test_labels_of_cells_as_numpy_prints_them() -> None:
    assert SETS.read("t", "labels", ["['joy' 'love']", "['fear']", "", "[]"]) == [["joy", "love"], ["fear"], None, []]
    assert SETS.read("t", "labels", ["[ 3 10]", "[27]"]) == [["3", "10"], ["27"]]
    assert SETS.read("t", "labels", ["['a', 'b']", "c"]) == [["a", "b"], ["c"]]
    with pytest.raises(DataError, match=r"row 1: 'label' holds 2 labels"):
        KINDS["label"].read("t", "label", ["['joy' 'love']", "['fear']"])


@pytest.mark.parametrize("cell", ["['b'", "['a' 'b' ... 'z']", "{'a': 1}"])
def test_a_cell_that_is_no_list_beside_lists_is_refused(cell: str) -> None:
    with pytest.raises(DataError, match=r"t: row 2: 'labels' is .*, no list of labels that can be read; write it as"):
        SETS.read("t", "labels", ["['a', 'b']", cell])


def test_an_empty_item_and_objects_of_json_are_refused() -> None:
    with pytest.raises(DataError, match="row 1: 'labels' holds an empty label"):
        SETS.read("t", "labels", ["['a', nan]"])
    with pytest.raises(DataError, match=r"row 2: 'label' is .*, no list of labels"):
        KINDS["label"].read("t", "label", ["yes", '{"choices": ["yes", "no"]}'])


def test_brackets_may_be_a_part_of_labels() -> None:
    for labels in (["[positive]", "[negative]"], ["(1)", "(2)"], ["[1]", "other"]):
        assert KINDS["label"].read("t", "label", labels) == labels
    assert lists_of(["['a', 'b']", "(a)"]) == ["['a', 'b']", "(a)"]
