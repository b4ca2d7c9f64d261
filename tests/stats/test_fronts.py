"""Fronts and crowding distances against a brute force in plain Python."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.fronts import crowding, fronts, pareto_order

POINTS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(0, 6)] * width), min_size=1, max_size=14)
)


def dominates(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def _depth(point: tuple[int, ...], points: list[tuple[int, ...]]) -> int:
    """The length of the longest chain of points, each dominated by the next, that begins at `point`."""
    return max((1 + _depth(other, points) for other in points if dominates(other, point)), default=0)


@given(POINTS)
def test_fronts_are_the_longest_chains_of_dominance(points: list[tuple[int, ...]]) -> None:
    assert fronts(np.array(points, dtype=float)).tolist() == [_depth(point, points) for point in points]


def brute_crowding(points: list[tuple[int, ...]]) -> list[float]:
    distances = [0.0] * len(points)
    for axis in range(len(points[0])):
        order = sorted(range(len(points)), key=lambda at: points[at][axis])
        spread = points[order[-1]][axis] - points[order[0]][axis]
        for place, at in enumerate(order):
            if place in (0, len(order) - 1):
                distances[at] = inf
            elif spread:
                distances[at] += (points[order[place + 1]][axis] - points[order[place - 1]][axis]) / spread
    return distances


@given(POINTS)
def test_crowding_is_the_distance_of_the_neighbours(points: list[tuple[int, ...]]) -> None:
    assert crowding(np.array(points, dtype=float)).tolist() == pytest.approx(brute_crowding(points))


@given(POINTS)
def test_pareto_order_puts_no_point_before_one_that_dominates_it(points: list[tuple[int, ...]]) -> None:
    order = pareto_order(np.array(points, dtype=float))
    assert sorted(order) == list(range(len(points)))
    for place, index in enumerate(order):
        assert not any(dominates(points[later], points[index]) for later in order[place + 1 :])


def test_pareto_order_of_one_objective_is_sorted() -> None:
    assert pareto_order(np.array([[0.3], [0.1], [0.2], [0.1]])) == [1, 3, 2, 0]


def test_pareto_order_prefers_the_ends_of_a_front_and_its_gaps() -> None:
    keys = np.array([[0.0, 10.0], [1.0, 9.0], [1.5, 8.5], [6.0, 4.0], [10.0, 0.0], [10.0, 10.0]])
    assert pareto_order(keys) == [0, 4, 3, 2, 1, 5]


def test_pareto_order_with_missing_values() -> None:
    assert pareto_order(np.array([[inf, 1.0], [0.5, 1.0], [0.5, inf]])) == [1, 0, 2]


def test_pareto_order_of_nothing() -> None:
    assert pareto_order(np.empty((0, 2))) == []
