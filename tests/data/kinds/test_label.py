from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.kinds import KINDS
from harness.data.kinds.label import label_name
from harness.data.kinds.spellings import alike_note, natural_order
from harness.errors import DataError

LABEL = KINDS["label"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" yes ", "yes"),
        (1, "1"),
        (True, "true"),
        (1.0, "1.0"),
        (1e16, "10000000000000000.0"),
        ("nan", "nan"),
        (["yes"], "yes"),
        ([["yes"]], "yes"),
        ([], None),
        ([None], None),
        (None, None),
        ("  ", None),
        (float("nan"), None),
        ("\u200b", None),
        (" \ufeff\xa0", None),
        ("\u2800\u3164", None),
        ("\0", None),
        (["\u200b"], None),
        ("\u200ba", "\u200ba"),
        ("\U0001f600\ufe0f", "\U0001f600\ufe0f"),
    ],
)
def test_label_name(value: object, name: str | None) -> None:
    assert label_name("t", value) == name


def test_label_name_refuses_several_labels_and_other_values() -> None:
    with pytest.raises(
        DataError, match=r"t: row 3: 'label' holds 2 labels, \['a', 'b'\]: set task: multi-label-classification"
    ):
        LABEL.read("t", "label", [["a"], "b", ["a", "b"]])
    with pytest.raises(DataError, match="holds a dict, not a text"):
        label_name("t", [{"name": "a"}])


def unified(train: list[str | None], test: list[str | None]) -> tuple[list[str | None], list[str | None]]:
    values = LABEL.unify("t", "label", {"train": train, "test": test})
    return values["train"], values["test"]


def test_unify_writes_whole_numbers_where_train_has_numbers_alone() -> None:
    assert unified(["1.0", None, "2.0e1", "-0.0"], ["1", "x", "20.0"]) == (["1", None, "20", "0"], ["1", "x", "20"])
    assert unified(["100", "1E2", "3e1"], ["100.0"]) == (["100", "1E2", "3e1"], ["100"])
    assert unified(["1.0", "x"], ["1"]) == (["1.0", "x"], ["1"])


def test_words_for_no_value_are_missing_beside_numbers() -> None:
    assert unified(["1.0", "0.0", "nan"], ["1", "NA"]) == (["1", "0", None], ["1", None])
    assert unified(["0", "1"], ["NULL", "\\N"]) == (["0", "1"], [None, None])
    assert unified(["yes", "no", "NA"], ["NA"]) == (["yes", "no", "NA"], ["NA"])
    assert unified(["NA", "null"], []) == (["NA", "null"], [])
    assert LABEL.rewritten("label", [("nan", None), ("1.0", "1"), ("NA", None)]) == [
        "'label': beside labels that are numbers, 'NA', 'nan' is a missing label",
        "'label': labels that are whole numbers are written without a point: '1.0' is '1'",
    ]


def test_words_for_no_value_among_words_are_classes_with_a_note() -> None:
    for word in ("NA", "NULL", "\\N", "nan", "-", ".", "...", "\u2014", "NaT", "inf", "-Infinity", "1.#QNAN", "#REF!"):
        (note,) = LABEL.notes("label", ["yes", word, word])
        assert note == (
            f"'label': '{word}' (2 rows) is taken as a class; where it stands for a missing label, leave the cell empty"
        )
    assert LABEL.notes("label", ["yes", "none", "no", "+", "*", "***", "in.", "nation", "info", ":-)"]) == []
    (note,) = KINDS["label_set"].notes("labels", [["yes", "NA"], []])
    assert "'NA' (1 rows) is taken as a class" in note


def test_unify_keeps_every_digit() -> None:
    large = ["12345678901234567.0", "12345678901234568.0", "1.2345678901234569e16"]
    assert unified([*large], [])[0] == ["12345678901234567", "12345678901234568", "12345678901234569"]
    assert unified(["007", "7", "1e999999999"], [])[0] == ["007", "7", "1e999999999"]


def test_labels_that_are_written_in_another_way_are_listed() -> None:
    assert LABEL.rewritten("label", [("1.0", "1"), ("1.0", "1"), ("0.0", "0")]) == [
        "'label': labels that are whole numbers are written without a point: '0.0' is '0'; '1.0' is '1'"
    ]
    (note,) = LABEL.rewritten("label", [(f"{at}.0", str(at)) for at in range(30)])
    assert note.endswith("; 10 more")
    assert LABEL.rewritten("label", []) == []


def test_unify_refuses_fractions_of_train_alone() -> None:
    with pytest.raises(DataError, match=r"t: row 2: 'label' is 0\.5: labels are numbers with fractions"):
        unified(["1", "0.5"], [])
    assert unified(["1", "0"], ["0.5"])[1] == ["0.5"]


@pytest.mark.parametrize(
    ("labels", "listed"),
    [
        (["yes", "Yes", "no"], "'Yes' (1 rows) and 'yes' (1 rows)"),
        (["caf\u00e9", "cafe\u0301", "cafe\u0301"], r"'cafe\u0301' (2 rows) and 'caf\xe9' (1 rows)"),
        (["07", "7"], "'07' (1 rows) and '7' (1 rows)"),
        (["true", "1", "false", "0"], "'0' (1 rows) and 'false' (1 rows); '1' (1 rows) and 'true' (1 rows)"),
        (["a\u200b", "a"], r"'a' (1 rows) and 'a\u200b' (1 rows)"),
        (["a b", "a  b"], "'a  b' (1 rows) and 'a b' (1 rows)"),
    ],
)
def test_alike_note_lists_the_labels(labels: list[str], listed: str) -> None:
    (note,) = alike_note("label", labels)
    assert f"are classes of their own: {listed};" in note


def test_alike_note_is_silent_where_nothing_is_alike() -> None:
    assert alike_note("label", ["true", "false", "1a", "2", "10"]) == []


def test_natural_order_numbers_by_value_and_words_as_people_count() -> None:
    assert natural_order({"10", "9", "-1"}) == ["-1", "9", "10"]
    assert natural_order({"item10", "item9", "Item1", "zebra", "2"}) == ["2", "Item1", "item9", "item10", "zebra"]


@given(st.lists(st.text(), unique=True))
def test_natural_order_takes_any_names(names: list[str]) -> None:
    ordered = natural_order(names)
    assert sorted(ordered) == sorted(names)
    assert natural_order(reversed(names)) == ordered
