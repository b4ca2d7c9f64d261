"""Entities by the strict rules of IOB2, and the metrics of a tag a word, against a slow reading of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.metric import scores
from harness.stats.ragged import Ragged
from harness.stats.resampling import compare, interval
from harness.stats.tags import TAGS, entities

NAMES = ("O", "B-A", "I-A", "B-B", "I-B")
Rows = list[list[int]]


def slow(tags: list[int]) -> list[tuple[int, int, str]]:
    """Entities of one row: each B- with the I- of its type that follow directly."""
    found, names = [], [NAMES[tag] for tag in tags]
    for start, name in enumerate(names):
        if name.startswith("B-"):
            end = start + 1
            while end < len(names) and names[end] == f"I-{name[2:]}":
                end += 1
            found.append((start, end, name[2:]))
    return found


def ragged(rows: Rows) -> Ragged:
    return Ragged(
        values=np.array([tag for row in rows for tag in row], dtype=np.int64),
        offsets=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
    )


def said(rows: Rows) -> dict[str, Ragged]:
    tags = ragged(rows)
    return {"probabilities": Ragged(values=np.eye(len(NAMES))[tags.values] * 0.8 + 0.04, offsets=tags.offsets)}


def expected(true: Rows, given: Rows) -> dict[str, float]:
    sides = [{(at, *span) for at, row in enumerate(rows) for span in slow(row)} for rows in (true, given)]
    right = len(sides[0] & sides[1])
    precision, recall = (right / len(side) if side else 0.0 for side in reversed(sides))
    f1 = 2 * right / (len(sides[0]) + len(sides[1])) if any(sides) else 0.0
    pairs = [pair for rows in zip(true, given, strict=True) for pair in zip(*rows, strict=True)]
    hits = [a == b for a, b in pairs]
    return {
        "entity_f1": f1,
        "entity_precision": precision,
        "entity_recall": recall,
        "token_accuracy": float(np.mean(hits)),
        "log_loss": float(np.mean([-np.log(0.84 if hit else 0.04) for hit in hits])),
    }


@st.composite
def tagged(draw: st.DrawFn) -> tuple[Rows, Rows]:
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    true = [rng.integers(5, size=length).tolist() for length in lengths]
    changed = draw(st.sampled_from((0.1, 0.5)))
    return true, [[int(rng.integers(5)) if rng.random() < changed else tag for tag in row] for row in true]


@settings(max_examples=80, deadline=None)
@given(tagged())
def test_scores_are_those_of_the_definition(case: tuple[Rows, Rows]) -> None:
    true, given_ = case
    assert scores(TAGS, said(given_), {"tags": ragged(true)}) == pytest.approx(expected(true, given_))
    found = [tuple(span) for span in entities(ragged(true).values, ragged(true).offsets).tolist()]
    starts = ragged(true).offsets
    assert found == [
        (starts[at] + first, starts[at] + end, "AB".index(kind))
        for at, row in enumerate(true)
        for first, end, kind in slow(row)
    ]


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ([1, 2, 2, 0], [[0, 3, 0]]),
        ([2, 2, 0, 1], [[3, 4, 0]]),  # an I- behind nothing belongs to no entity, and neither does the next
        ([1, 4, 2], [[0, 1, 0]]),  # an I- of another type ends an entity and begins none
        ([1, 1, 2], [[0, 1, 0], [1, 3, 0]]),
        ([0, 2, 3, 4], [[2, 4, 1]]),
    ],
)
def test_strict_rules(tags: list[int], spans: list[list[int]]) -> None:
    assert entities(np.array(tags), np.array([0, len(tags)])).tolist() == spans


def test_an_entity_ends_with_its_row() -> None:
    assert entities(np.array([1, 2, 2]), np.array([0, 1, 1, 3])).tolist() == [[0, 1, 0]]


def test_no_entity_anywhere_is_a_score_of_zero() -> None:
    found = scores(TAGS, said([[0, 0]]), {"tags": ragged([[0, 0]])})
    assert (found["entity_f1"], found["entity_precision"], found["entity_recall"]) == (0, 0, 0)
    assert found["token_accuracy"] == 1


def test_interval_and_comparison_draw_rows() -> None:
    rng = np.random.default_rng(0)
    true = [[int(tag) for tag in rng.choice(5, size=8, p=[0.6, 0.1, 0.1, 0.1, 0.1])] for _ in range(150)]
    good, bad = ([[0 if rng.random() < p else tag for tag in row] for row in true] for p in (0.05, 0.5))
    bounds = interval(TAGS[0], said(good), {"tags": ragged(true)})
    assert 0.5 < bounds.low < bounds.value < bounds.high < 1
    found = compare(TAGS[0], said(good), said(bad), {"tags": ragged(true)})
    assert not found.tie
    assert found.difference.value > 0.2
