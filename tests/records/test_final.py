from __future__ import annotations

import math

import pytest

from harness.records.final import Comparison, FinalModel
from harness.stats.intervals import Interval


def test_comparison_of_what_is_undefined_comes_back() -> None:
    unknown = Interval(value=math.nan, low=math.nan, high=math.nan)
    found = Comparison(a="winner", b="default", metric="roc_auc", probability=0.5, difference=unknown, tie=True)
    again = Comparison.model_validate(found.model_dump(mode="json"))
    assert again.mcnemar_p is None
    assert math.isnan(again.difference.low)


@pytest.mark.parametrize(
    ("own", "other", "wins"), [(0.8, math.nan, True), (math.nan, 0.8, False), (math.nan, math.nan, False)]
)
def test_a_winner_without_a_test_score_beats_no_model(own: float, other: float, wins: bool) -> None:
    difference = Interval(value=own - other, low=math.nan, high=math.nan)
    pair = Comparison(a="winner", b="baseline", metric="roc_auc", probability=0.5, difference=difference, tie=True)
    test = {"roc_auc": Interval(value=own, low=math.nan, high=math.nan)}
    winner = FinalModel(role="winner", name="trial 1", validation={}, test=test, predictions="final/winner.npz")
    assert winner.wins(pair) is wins
