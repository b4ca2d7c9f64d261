"""Where a trial is evaluated: rungs, ends of epochs, and the end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.configure import rung_fractions, validation_rows
from harness.spec.schedule import MAX_EVALUATIONS, evaluation_points
from harness.spec.study import StudySpec


def study(pruner: str = "rungs", evaluations: Any = "auto", **options: Any) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "x",
            "data": {"path": "a.csv"},
            "model": {"checkpoint": "tiny"},
            "training": {"evaluations_per_epoch": evaluations},
            "search": {"pruner": {"name": pruner, "reduction_factor": 4, **options}},
        }
    )


def sorted_rungs(rungs: list[float | None]) -> tuple[float | None, ...]:
    """The rungs with the shares in rising order."""
    shares = iter(sorted(share for share in rungs if share is not None))
    return tuple(None if share is None else next(shares) for share in rungs)


@pytest.mark.parametrize(
    ("pruner", "evaluations", "epochs", "expected"),
    [
        ("rungs", "auto", 3, (0.0625, 0.25, 1 / 3, 2 / 3, 1.0)),
        ("rungs", "auto", 8, (0.0625, 0.25, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 1.0)),
        ("rungs", "auto", 1, (0.0625, 0.25, 1.0)),
        ("rungs", "auto", 0.5, (0.0625, 0.25, 1.0)),
        ("none", "auto", 1, (1.0,)),
        ("none", "auto", 5, (0.2, 0.4, 0.6, 0.8, 1.0)),
        ("none", "auto", 2.01, (1 / 2.01, 1.0)),  # the end of epoch 2 lies within 2 % of an epoch from the end
        ("none", "auto", 2.5, (0.4, 0.8, 1.0)),
        ("median", "auto", 4, (0.25, 0.5, 0.75, 1.0)),
        ("none", 2, 2, (0.25, 0.5, 0.75, 1.0)),
        ("rungs", 2, 2, (0.0625, 0.25, 0.5, 0.75, 1.0)),
        ("none", 2, 1.25, (0.4, 0.8, 1.0)),
        ("none", 1, 0.5, (1.0,)),
    ],
)
def test_evaluation_points(pruner: str, evaluations: Any, epochs: float, expected: tuple[float, ...]) -> None:
    spec = study(pruner, evaluations)
    assert evaluation_points(spec, epochs, rung_fractions(spec)) == pytest.approx(expected)


def test_long_training_is_evaluated_at_most_a_thousand_times() -> None:
    points = evaluation_points(study("none"), 4000, ())
    assert len(points) == MAX_EVALUATIONS
    assert points[:2] == pytest.approx((0.001, 0.002))


@settings(deadline=None)
@given(
    epochs=st.floats(0.1, 900),
    rungs=st.lists(st.none() | st.floats(0.01, 0.99), max_size=4).map(sorted_rungs),
)
def test_trial_past_its_last_rung_is_evaluated_in_every_epoch(epochs: float, rungs: tuple[float | None, ...]) -> None:
    points = evaluation_points(study(), epochs, rungs)
    last_rung = max((share for share in rungs if share is not None), default=0.0)
    late = [last_rung * epochs, *(point * epochs for point in points if point > last_rung)]
    assert max(b - a for a, b in pairwise(late)) < 1.02 + 1e-6


def test_points_near_a_rung_give_way_to_it() -> None:
    spec = study("asha", 16, reduction_factor=4, min_fraction=0.06)
    points = evaluation_points(spec, 1, rung_fractions(spec))
    assert 0.06 in points
    assert 0.0625 not in points
    assert 0.24 in points
    assert 0.25 not in points
    assert 0.125 in points


def test_early_rungs_score_few_rows() -> None:
    points = (0.0625, 0.19, 0.2, 1.0)
    assert validation_rows(study(), points) == (256, 256, None, None)
    assert validation_rows(study("median"), points) == (None,) * 4
    assert validation_rows(study("none"), points) == (None,) * 4


@settings(deadline=None)
@given(
    pruner=st.sampled_from(["rungs", "asha", "median", "none"]),
    evaluations=st.just("auto") | st.integers(1, 10),
    epochs=st.floats(1e-6, 100),
    factor=st.integers(2, 10),
    first=st.floats(1e-4, 1),
)
def test_points_rise_to_one_and_hold_every_rung(
    pruner: str, evaluations: Any, epochs: float, factor: int, first: float
) -> None:
    spec = study(pruner, evaluations, reduction_factor=factor, min_fraction=first)
    points = evaluation_points(spec, epochs, rung_fractions(spec))
    assert points[-1] == 1.0
    assert all(0 < a < b for a, b in pairwise(points))
    assert set(rung_fractions(spec)) <= set(points)
    assert len(validation_rows(spec, points)) == len(points)
