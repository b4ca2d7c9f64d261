from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.kit.stats import expected_best, importances, pareto_front, running_best


@pytest.mark.parametrize("maximize", [True, False])
def test_expected_best_is_the_mean_over_all_draws(maximize: bool) -> None:
    values = [0.3, 0.9, 0.5, 0.5]
    pick = max if maximize else min
    mean, _, _ = expected_best(values, maximize)
    for n in (1, 2, 3, 4):
        assert mean[n - 1] == pytest.approx(np.mean([pick(draw) for draw in product(values, repeat=n)]))


@pytest.mark.parametrize("maximize", [True, False])
def test_expected_best_band_holds_95_percent_of_draws(maximize: bool) -> None:
    values = np.random.default_rng(0).random(40)
    pick = np.max if maximize else np.min
    _, low, high = expected_best(values.tolist(), maximize)
    draws = pick(np.random.default_rng(1).choice(values, size=(20_000, 10)), axis=1)
    inside = np.mean((low[9] <= draws) & (draws <= high[9]))
    assert 0.945 <= inside <= 0.985


def test_expected_best_of_uniform_draws_has_its_closed_form() -> None:
    values = (np.arange(2000) + 0.5) / 2000
    mean, _, _ = expected_best(values.tolist())
    for n in (1, 2, 9):
        assert mean[n - 1] == pytest.approx(n / (n + 1), abs=1e-3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.booleans())
def test_expected_best_gets_better_and_stays_in_its_band(values: list[float], maximize: bool) -> None:
    mean, low, high = expected_best(values, maximize)
    gains = np.diff(mean) * (1 if maximize else -1)
    assert (gains >= -1e-12).all()
    assert (low <= mean + 1e-12).all()
    assert (mean <= high + 1e-12).all()


def test_running_best_skips_what_is_not_a_number() -> None:
    assert running_best([math.nan, 0.2, math.nan, 0.1, 0.4], True).tolist()[1:] == [0.2, 0.2, 0.2, 0.4]
    assert running_best([3, 5, 2], False).tolist() == [3, 3, 2]


def test_pareto_front_of_two_directions() -> None:
    points = np.array([[1, 5], [2, 4], [2, 5], [3, 1], [0, 6], [math.nan, 0]])
    assert pareto_front(points, [True, True]).tolist() == [False, False, True, True, True, False]
    assert pareto_front(points, [True, False]).tolist() == [False, False, False, True, False, False]


def test_pareto_front_keeps_equal_points_together() -> None:
    assert pareto_front(np.array([[1.0, 1.0], [1.0, 1.0]]), [True, True]).tolist() == [True, True]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_pareto_front_is_never_empty_and_covers_all(pairs: list[tuple[int, int]]) -> None:
    points = np.array(pairs, dtype=float)
    front = points[pareto_front(points, [True, True])]
    assert len(front)
    assert all((front >= point).all(axis=1).any() for point in points)


def _trials(count: int) -> tuple[list[dict[str, Any]], list[float]]:
    """The score hangs on the learning rate alone."""
    rng = np.random.default_rng(0)
    params = [
        {"learning_rate": float(10 ** rng.uniform(-5, -3)), "batch_size": int(rng.choice([8, 16])), "name": "same"}
        for _ in range(count)
    ]
    return params, [abs(math.log10(one["learning_rate"]) + 4) for one in params]


def test_importances_find_the_param_that_matters() -> None:
    params, losses = _trials(120)
    found = importances(params, losses, ["learning_rate"], num_resamples=20)
    assert list(found) == ["learning_rate", "batch_size"], "a param with one value cannot matter"
    share, low, high = found["learning_rate"]
    assert share > 0.7
    assert low <= share <= high


def test_importances_handle_conditional_params() -> None:
    params, losses = _trials(120)
    for place, one in enumerate(params):
        if one["batch_size"] == 8:
            one["rank"] = place % 7
    found = importances(params, losses, ["learning_rate"], num_resamples=10)
    assert set(found) == {"learning_rate", "batch_size", "rank"}
    assert found["rank"][0] < 0.3


def test_importances_of_few_trials_are_not_claimed() -> None:
    params, losses = _trials(9)
    assert importances(params, losses) == {}


def test_importances_leave_the_level_of_the_log_alone() -> None:
    before = optuna.logging.get_verbosity()
    importances(*_trials(12), num_resamples=2)
    assert optuna.logging.get_verbosity() == before
