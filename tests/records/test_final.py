from __future__ import annotations

import math

from harness.records.final import Comparison, Interval


def test_comparison_of_an_earlier_version_is_by_accuracy() -> None:
    recorded = {
        "a": "winner",
        "b": "baseline",
        "probability": 0.9,
        "difference": {"value": 0.03, "low": 0.01, "high": 0.05},
        "mcnemar_p": 0.02,
        "tie": False,
    }
    found = Comparison.model_validate(recorded)
    assert found.metric == "accuracy"
    assert found.difference == Interval(value=0.03, low=0.01, high=0.05)


def test_comparison_of_what_is_undefined_comes_back() -> None:
    unknown = Interval(value=math.nan, low=math.nan, high=math.nan)
    found = Comparison(a="winner", b="default", metric="roc_auc", probability=0.5, difference=unknown, tie=True)
    again = Comparison.model_validate(found.model_dump(mode="json"))
    assert again.mcnemar_p is None
    assert math.isnan(again.difference.low)
