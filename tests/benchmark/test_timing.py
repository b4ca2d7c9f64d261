"""Warm-up, steadiness, statistics and marks; of numbers given, never of the clock's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.benchmark.timing import WINDOW, Marks, Settling, StepCost, is_steady, step_time


def steps(*seconds: float, tokens: int = 10) -> list[StepCost]:
    return [StepCost(seconds=each, lengths=np.full(2, tokens)) for each in seconds]


def test_settling_waits_for_two_equal_windows() -> None:
    settling = Settling()
    settling.add(steps(*[5.0] * WINDOW))
    assert not settling.settled
    settling.add(steps(*[1.0] * WINDOW))
    assert not settling.settled
    settling.add(steps(*[1.02] * WINDOW))
    assert settling.settled
    assert settling.num_steps == 3 * WINDOW


def test_settling_goes_by_position() -> None:
    settling = Settling()
    settling.add(steps(*[1.0] * WINDOW, tokens=10))
    settling.add(steps(*[4.0] * WINDOW, tokens=40))
    assert settling.settled


@pytest.mark.parametrize(
    ("seconds", "steady"), [([1.0] * 20, True), ([1.0] * 10 + [2.0] * 10, False), ([1.0, 9.0], True)]
)
def test_steady_compares_halves(seconds: list[float], steady: bool) -> None:
    assert is_steady(steps(*seconds)) is steady


def test_positions_count_padding() -> None:
    assert StepCost(seconds=1.0, lengths=np.array([2, 7, 3])).positions == 21


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60))
def test_step_time_is_in_order(times: list[float]) -> None:
    found = step_time(times)
    slack = 1e-9 * max(times)
    assert min(times) - slack <= found.low <= found.median + slack
    assert found.median <= found.high + slack
    assert found.high <= max(times) + slack
    assert found.median <= found.p95 + slack


def test_step_time_of_equal_steps_is_exact() -> None:
    assert step_time([2.5] * 9).model_dump() == {"median": 2.5, "p95": 2.5, "low": 2.5, "high": 2.5}


def test_marks_name_the_spans_between_them() -> None:
    marks = Marks(torch.device("cpu"))
    for name in ("a", "b", "end"):
        marks.mark(name)
    found = list(marks.spans())
    assert [name for name, _ in found] == ["a", "b"]
    assert all(seconds >= 0 for _, seconds in found)
    marks.clear()
    assert list(marks.spans()) == []
