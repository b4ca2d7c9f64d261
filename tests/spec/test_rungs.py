"""Where a trial is judged: not before its warm-up has ended, nor before its 5th step."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.rungs import (
    FIRST_STEPS,
    QUARTERS,
    num_promoted,
    promoted_shares,
    rung_fractions,
    rung_resource,
    rung_share,
    rungs_passed,
    trial_rungs,
)
from harness.spec.steps import step_at, warmup_steps
from harness.spec.study import StudySpec


def study(pruner: str = "rungs", *, reduction_factor: int | None = 4, **options: Any) -> StudySpec:
    options["reduction_factor"] = reduction_factor
    return StudySpec.model_validate(
        {
            "name": "x",
            "data": {"path": "a.csv"},
            "model": {"checkpoint": "tiny"},
            "search": {"pruner": {"name": pruner, **options}},
        }
    )


@pytest.mark.parametrize(
    ("pruner", "options", "expected"),
    [
        ("rungs", {"reduction_factor": None}, (0.0625, 0.125, 0.25, 0.5)),
        ("rungs", {}, (0.0625, 0.25)),
        ("asha", {"reduction_factor": None}, (0.0625, 0.25)),
        ("asha", {"reduction_factor": 2, "min_fraction": 0.125}, (0.125, 0.25, 0.5)),
        ("hyperband", {"reduction_factor": 3, "min_fraction": 0.2}, (0.2, 0.6000000000000001)),
        ("rungs", {"min_fraction": 1}, ()),
        ("median", {}, (0.25, 0.5, 0.75)),
        ("none", {}, ()),
        ("ray-asha", {}, (0.0625, 0.25)),
        ("ray-pbt", {}, (0.25, 0.5, 0.75)),
    ],
)
def test_rung_fractions_of_pruner(pruner: str, options: dict[str, Any], expected: tuple[float, ...]) -> None:
    assert rung_fractions(study(pruner, **options)) == expected


@pytest.mark.parametrize(
    ("reached", "share", "least", "promoted"),
    [
        (16, 1 / 4, 1, 4),
        (15, 1 / 4, 1, 3),
        (3, 1 / 4, 1, 1),
        (1, 1 / 4, 1, 1),
        (0, 1 / 4, 1, 0),
        (16, 1 / 4, 6, 6),
        (2, 1 / 4, 6, 2),
        (9, 1 / 3, 2, 3),
        (6, 2 / 3, 2, 4),
    ],
)
def test_num_promoted(reached: int, share: float, least: int, promoted: int) -> None:
    assert num_promoted(reached, share, least) == promoted


def test_promoted_shares_keep_two_in_three_early() -> None:
    assert promoted_shares(study(reduction_factor=None)) == (2 / 3, 2 / 3, 1 / 2, 1 / 2)
    assert promoted_shares(study("rungs")) == (2 / 3, 1 / 4)


@pytest.mark.parametrize(
    ("pruner", "expected"),
    [
        ("rungs", [1, 4, 16]),
        ("asha", [1, 4, 16]),
        ("ray-asha", [1, 4, 16]),
        ("median", [1, 2, 3]),
        ("ray-pbt", [1, 2, 3]),
    ],
)
def test_rung_resource(pruner: str, expected: list[int]) -> None:
    assert [rung_resource(study(pruner).search.pruner, rung) for rung in range(3)] == expected


@pytest.mark.parametrize(
    ("num_steps", "warmup", "expected"),
    [
        (1000, 0.06, (0.0625, 0.25)),
        (80, 0.06, (0.0625, 0.25)),  # step 5
        (70, 0.06, (5 / 70, 0.25)),
        (70, 0.05, (None, 0.25)),  # step 4
        (20, 0.06, (None, 0.25)),
        (17, 0.06, (None, None)),
        (1000, 0.0611, (0.0625, 0.25)),
        (1000, 0.07, (0.07, 0.25)),
        (1000, 0.0701, (0.071, 0.25)),  # 71 steps of warm-up
        (50, 0.07, (None, 0.25)),  # step 4
        (1000, 0.49, (None, None)),
        (1000, 0.24, (None, 0.25)),
        (1000, 0.3, (None, 0.3)),
        (1000, 0.5, (None, None)),
        (1, 1.0, (None, None)),
    ],
)
def test_trial_rungs_by_length_and_warmup(num_steps: int, warmup: float, expected: tuple[float | None, ...]) -> None:
    assert trial_rungs(study(), num_steps, warmup) == expected


@pytest.mark.parametrize(
    ("pruner", "options", "num_steps", "expected"),
    [
        ("median", {}, 1000, QUARTERS),
        ("median", {}, 12, (None, 0.5, 0.75)),
        ("median", {}, 6, (None, None, None)),
        ("ray-pbt", {}, 3, QUARTERS),
        ("none", {}, 20, ()),
        ("rungs", {"min_fraction": 0.6}, 200, (0.6,)),  # as asked
        ("rungs", {"min_fraction": 0.6}, 7, (None,)),
        ("asha", {"reduction_factor": 2, "min_fraction": 0.125}, 20, (None, 0.25, 0.5)),
    ],
)
def test_trial_rungs_of_pruner(pruner: str, options: dict[str, Any], num_steps: int, expected: Any) -> None:
    assert trial_rungs(study(pruner, **options), num_steps, 0.06) == expected


@settings(deadline=None)
@given(
    pruner=st.sampled_from(["rungs", "asha", "hyperband", "median", "ray-asha"]),
    num_steps=st.integers(1, 3000),
    warmup=st.floats(0, 1),
    factor=st.integers(2, 10),
    first=st.floats(1e-4, 1),
)
def test_trial_rungs_come_after_warmup_and_the_first_steps(
    pruner: str, num_steps: int, warmup: float, factor: int, first: float
) -> None:
    spec = study(pruner, reduction_factor=factor, min_fraction=first)
    ladder, rungs = rung_fractions(spec), trial_rungs(spec, num_steps, warmup)
    assert len(rungs) == len(ladder)
    judged = [share for share in rungs if share is not None]
    assert rungs[len(rungs) - len(judged) :] == tuple(judged), "only the first are left out"
    assert all(a < b for a, b in pairwise(judged))
    for share in judged:
        assert step_at(num_steps, share) >= max(FIRST_STEPS, warmup_steps(num_steps, warmup))
        assert share in ladder or (share == judged[0] and share < 0.5)


def test_rungs_passed_by_number() -> None:
    assert rungs_passed((None, 0.3, 0.5), 29, 100) == []
    assert rungs_passed((None, 0.3, 0.5), 30, 100) == [1]
    assert rungs_passed((0.1, 0.3, 0.5), 50, 100) == [0, 1, 2]
    assert rungs_passed((0.0625, 0.25), 1, 3) == [0, 1], "both fall on step 1"
    assert rungs_passed((None, None), 100, 100) == []


def test_rung_share_is_that_of_the_study() -> None:
    """Of 33 steps a quarter is 24.2 %, and a moved rung is as far as the one that it stands for."""
    ladder = (0.0625, 0.25)
    assert rung_share(ladder, ladder, 8, 33) == 0.25
    assert rung_share(ladder, (0.15, 0.25), 30, 200) == 0.0625
    assert rung_share(ladder, (None, 0.4), 32, 80) == 0.25
    assert rung_share(ladder, (None, 0.4), 31, 80) is None
    assert rung_share(ladder, (0.15, 0.25), 160, 200) is None
    assert rung_share(ladder, (None, None), 80, 80) is None
