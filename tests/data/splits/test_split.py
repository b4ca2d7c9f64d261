from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.read import Tables
from harness.data.sources import Source
from harness.data.splits.extra import GROUP, ORDER
from harness.data.splits.split import deal, split_tables, subset
from harness.errors import DataError
from harness.spec.study import SplitSpec
from harness.spec.tasks import facts_of

FACTS = facts_of("text-classification")
SHARES = {"validation": 0.1, "test": 0.1}


def frame(texts: list[str], labels: list[str] | None = None) -> pd.DataFrame:
    names = labels or [("no", "yes")[number % 2] for number in range(len(texts))]
    return pd.DataFrame({"text": texts, "label": names, "row": range(1, len(texts) + 1)})


def tables(train: pd.DataFrame, validation: pd.DataFrame | None = None, test: pd.DataFrame | None = None) -> Tables:
    source = Source(name="t", files={}, sha256="")
    return Tables(train=train, validation=validation, test=test, source=source, columns={}, notes=())


def texts(count: int, start: int = 0) -> list[str]:
    return [f"text {number}" for number in range(start, start + count)]


def test_split_is_8_1_1_and_stratified() -> None:
    labels = ["a"] * 600 + ["b"] * 300 + ["c"] * 100
    frames, notes = split_tables(tables(frame(texts(1000), labels)), SplitSpec(), FACTS)
    assert {name: len(part) for name, part in frames.items()} == {"train": 800, "validation": 100, "test": 100}
    assert frames["test"]["label"].value_counts().to_dict() == {"a": 60, "b": 30, "c": 10}
    assert notes == []


def test_split_totals_hold_with_many_small_classes() -> None:
    labels = [str(number % 77) for number in range(77 * 14)]
    parts, _ = deal(texts(len(labels)), labels, SHARES, nouns=("class", "classes"), seed=0)
    assert abs(len(parts["test"]) - 108) <= 1
    assert len(set(np.array(labels)[parts["test"]])) == 77


def test_split_depends_on_the_seed_alone() -> None:
    data = tables(frame(texts(100)))
    first, second, other = (
        split_tables(data, SplitSpec(seed=seed), FACTS)[0]["test"]["row"].tolist() for seed in (1, 1, 2)
    )
    assert first == second != other


def test_split_keeps_equal_texts_together() -> None:
    same = ["Ｓame  text", "same text", "SAME text\n"] * 10
    data = frame(same + texts(100), ["no", "yes"] * 65)
    frames, notes = split_tables(tables(data), SplitSpec(), FACTS)
    homes = [name for name, part in frames.items() if part["text"].str.lower().str.contains("text\n|  |same").any()]
    assert len(homes) == 1
    assert notes == [
        "1 texts occur more than once: each is kept within one split; 1 of them with different classes, kept as they "
        "are"
    ]


def test_split_rare_classes_go_to_train_and_are_said() -> None:
    labels = ["big"] * 50 + ["other"] * 10 + ["two"] * 2 + ["three"] * 3
    frames, notes = split_tables(tables(frame(texts(65), labels)), SplitSpec(), FACTS)
    assert notes == ["1 classes with fewer than 3 distinct texts are in train only: 'two'"]
    assert Counter(frames["train"]["label"])["two"] == 2
    for name in ("train", "validation", "test"):
        assert Counter(frames[name]["label"])["three"] == 1


def test_split_leaves_a_given_test_split_alone_and_takes_its_texts_from_the_others() -> None:
    train = frame(["Shared  one", "shared two", *texts(40)])
    validation = frame(["shared ONE", "text 3", *texts(9, 100)])
    test = frame(["shared one", "shared two", "shared one"])
    frames, notes = split_tables(tables(train, validation, test), SplitSpec(), FACTS)
    assert frames["test"].equals(test)
    assert frames["validation"]["text"].tolist() == ["text 3", *texts(9, 100)]
    assert len(frames["train"]) == 39
    assert notes == [
        "1 rows of validation have a text that is in test too: they left validation",
        "2 rows of train have a text that is in test too: they left train",
        "1 rows of train have a text that is in validation too: they left train",
    ]


def test_split_makes_only_what_is_missing() -> None:
    test = frame(texts(7, 1000))
    frames, _ = split_tables(tables(frame(texts(200)), test=test), SplitSpec(), FACTS)
    assert [len(frames[name]) for name in ("train", "validation", "test")] == [180, 20, 7]
    frames, _ = split_tables(
        tables(frame(texts(200)), validation=test), SplitSpec(train=0.7, validation=0.1, test=0.2), FACTS
    )
    assert [len(frames[name]) for name in ("train", "validation", "test")] == [160, 7, 40]


def test_split_pairs_are_equal_when_both_texts_are() -> None:
    pairs = frame(texts(40)).assign(text_pair=[f"b{number // 20}" for number in range(40)])
    test = frame(["text 1"]).assign(text_pair="other")
    _, notes = split_tables(tables(pairs, test=test), SplitSpec(), FACTS)
    assert notes == []


def test_split_refuses_to_leave_a_split_empty() -> None:
    with pytest.raises(DataError, match="validation split has no rows"):
        split_tables(tables(frame(["same"] * 20)), SplitSpec(), FACTS)
    with pytest.raises(DataError, match="one class only"):
        split_tables(tables(frame(texts(20)), test=frame(texts(20)[1::2])), SplitSpec(), FACTS)
    with pytest.raises(DataError, match="all 20 rows of train have a text that is in test too"):
        split_tables(tables(frame(texts(20)), test=frame(texts(20))), SplitSpec(), FACTS)


def test_split_in_order_gives_train_the_first_rows_and_test_the_last() -> None:
    when = np.random.default_rng(0).permutation(100)
    data = frame(texts(100)).assign(**{ORDER: when})
    frames, notes = split_tables(tables(data), SplitSpec(by="when"), FACTS)
    assert notes == []
    assert [len(frames[name]) for name in ("train", "validation", "test")] == [80, 10, 10]
    place = dict(zip(data["row"], when, strict=True))
    train, validation, test = ([place[row] for row in frames[name]["row"]] for name in frames)
    assert max(train) < min(validation) < max(validation) < min(test)
    assert list(frames["train"].columns) == ["text", "label", "row"]


@pytest.mark.parametrize("by", [None, "when"])
def test_split_never_cuts_a_group(by: str | None) -> None:
    groups = np.random.default_rng(1).integers(0, 40, 300).astype(str)
    extra = {GROUP: groups} | ({ORDER: np.arange(300)} if by else {})
    frames, _ = split_tables(tables(frame(texts(300)).assign(**extra)), SplitSpec(group="user", by=by), FACTS)
    homes = [set(groups[part["row"].to_numpy() - 1]) for part in frames.values()]
    assert sum(map(len, homes)) == len(set(groups))
    assert all(len(part) >= 15 for part in frames.values())


def test_split_with_few_groups_leaves_no_split_empty() -> None:
    data = frame(texts(60), [str(number % 20) for number in range(60)]).assign(**{GROUP: ["a", "b", "c"] * 20})
    frames, _ = split_tables(tables(data), SplitSpec(group="user"), FACTS)
    assert [len(part) for part in frames.values()] == [20, 20, 20]
    with pytest.raises(DataError, match="has 2 groups, and rows of one stay in one split"):
        split_tables(tables(frame(texts(60)).assign(**{GROUP: ["a", "b"] * 30})), SplitSpec(group="user"), FACTS)


def test_split_leaves_given_splits_as_they_are_and_counts_what_they_break() -> None:
    train = frame(texts(100)).assign(**{GROUP: ["a", "b"] * 50, ORDER: range(100)})
    validation = frame(texts(20, 200)).assign(**{GROUP: [f"c{number}" for number in range(20)], ORDER: range(200, 220)})
    test = frame(texts(10, 300)).assign(**{GROUP: ["a", "d"] * 5, ORDER: range(95, 105)})
    frames, notes = split_tables(tables(train, validation, test), SplitSpec(group="user", by="when"), FACTS)
    assert [len(part) for part in frames.values()] == [100, 20, 10]
    assert notes == [
        "50 of 100 rows of train share their 'user' with rows of test: given splits stay as they are "
        "(data.split.group)",
        "4 of 10 rows of test come before the last row of train in the order of 'when': given splits stay as they are "
        "(data.split.by)",
        "10 of 10 rows of test come before the last row of validation in the order of 'when': given splits stay as "
        "they are (data.split.by)",
    ]


rows = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd")), min_size=1, max_size=80)


@settings(deadline=None)
@given(rows=rows, seed=st.integers(0, 9), stratify=st.booleans())
def test_deal_gives_each_row_once_each_key_one_home_and_train_every_class(
    rows: list[tuple[int, str]], seed: int, stratify: bool
) -> None:
    keys, labels = [str(key) for key, _ in rows], [label for _, label in rows]
    parts, _ = deal(keys, labels, SHARES, nouns=("class", "classes"), seed=seed, stratify=stratify)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(rows)))
    homes = [{keys[row] for row in part} for part in parts.values()]
    assert sum(map(len, homes)) == len(set(keys))
    assert {labels[row] for row in parts["train"]} == set(labels)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 70), st.integers(1, 70), st.integers(0, 5))
def test_subset_is_nested_rising_and_of_the_size(labels: list[int], a: int, b: int, seed: int) -> None:
    small, large = (subset(np.array(labels), count, seed) for count in sorted((a, b)))
    assert len(small) == min(min(a, b), len(labels))
    assert set(small) <= set(large)
    assert (np.diff(large) > 0).all()


def test_subset_keeps_the_shares_of_the_classes() -> None:
    labels = np.array([0] * 800 + [1] * 150 + [2] * 50)
    for size in (20, 100, 500):
        counts = np.bincount(labels[subset(labels, size, seed=3)], minlength=3)
        assert np.abs(counts - size * np.array([0.8, 0.15, 0.05])).max() <= 1
    assert len(subset(labels, None, 0)) == len(subset(labels, 5000, 0)) == 1000


def test_subset_keeps_rare_classes() -> None:
    labels = np.array([0] * 2997 + [1] * 3)
    assert set(labels[subset(labels, 100, seed=42)]) == {0, 1}
    assert len(subset(np.arange(20), 5, seed=0)) == 5


def test_subset_of_few_rows_keeps_the_shares_before_the_classes() -> None:
    labels = np.array([0] * 500 + list(range(1, 51)))
    assert np.sum(labels[subset(labels, 40, seed=0)] == 0) > 30
    assert len(set(labels[subset(labels, 102, seed=0)])) == 51


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["ann"] * 60, "data.split.group: 'user' has 1 group, and rows of one stay in one split: at least 3 are"),
        (["ann", "bob"] * 30, "data.split.group: 'user' has 2 groups, and rows"),
    ],
)
@pytest.mark.parametrize("by", [None, "when"])
def test_split_of_too_few_groups_names_them(groups: list[str], said: str, by: str | None) -> None:
    extra = {GROUP: groups} | ({ORDER: np.arange(60)} if by else {})
    with pytest.raises(DataError, match=said):
        split_tables(tables(frame(texts(60)).assign(**extra)), SplitSpec(group="user", by=by), FACTS)


def test_split_of_groups_that_share_a_text_counts_them_as_one() -> None:
    data = frame(["same", *texts(29), "same", *texts(29, 40)]).assign(**{GROUP: ["a"] * 30 + ["b"] * 30})
    with pytest.raises(DataError, match="has 2 groups, which count as 1 because they share texts, and"):
        split_tables(tables(data), SplitSpec(group="user"), FACTS)
