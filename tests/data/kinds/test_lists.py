"""Texts of lists, as Python, JSON and numpy write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.kinds import KINDS
from harness.data.kinds.lists import list_of, lists_of, value_of
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
        ("['a'] ['b']", None),
        ("['a'), 'b']", None),
        ("[[1 2]\n [3 4]]", [[1, 2], [3, 4]]),
        (
            "[{'role': 'user', 'n': array([1, 2])}\n {'role': \"it's\"}]",
            [{"role": "user", "n": [1, 2]}, {"role": "it's"}],
        ),
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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'text': array(['a', \"b's\"],\n      dtype=object), 'answer_start': array([1, 7])}",
         {"text": ["a", "b's"], "answer_start": [1, 7]}),
        ("{'text': [], 'answer_start': array([], dtype=int32)}", {"text": [], "answer_start": []}),
        ('{"text": ["a"], "start": null, "score": NaN}', {"text": ["a"], "start": None, "score": None}),
        ("{'a': {'b': (1, nan)}}", {"a": {"b": [1, None]}}),
        ("{np.str_('a'): np.int64(3)}", {"a": 3}),
        ("{}", {}),
        ("{'a': }", None),
        ("{'a' 'b': 1}", None),
        ("{[1]: 2}", None),
        ("{'a': print(1)}", None),
        ("('a')", None),
        ("[" * 100_000, None),
    ],
)  # fmt: skip
def test_value_of(text: str, value: Any) -> None:
    assert value_of(text) == value


spelled = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=4),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(max_size=3), items, max_size=3),
    max_leaves=8,
)


@given(spelled)
def test_what_python_writes_is_read(value: Any) -> None:
    assert value_of(repr([value])) == [value]
    assert value_of(repr({"a": value})) == {"a": value}


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
