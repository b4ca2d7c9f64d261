from __future__ import annotations

import math

from harness.records.final import Comparison, Interval


def test_comparison_of_what_is_undefined_comes_back() -> None:
    unknown = Interval(value=math.nan, low=math.nan, high=math.nan)
    found = Comparison(a="winner", b="default", metric="roc_auc", probability=0.5, difference=unknown, tie=True)
    again = Comparison.model_validate(found.model_dump(mode="json"))
    assert again.mcnemar_p is None
    assert math.isnan(again.difference.low)
