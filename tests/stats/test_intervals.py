from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.stats.intervals import (
    Interval,
    bca,
    difference_interval,
    expanded_percentiles,
    mcnemar_p,
    paired_shares,
    seed_interval,
    unknown,
    widened,
    wilson,
)


def test_wilson_is_the_textbook_value() -> None:
    # Newcombe 1998, table I: 81 of 263 and 15 of 148.
    found = [wilson(81 / 263, 263), wilson(15 / 148, 148)]
    assert [round(bound.low, 4) for bound in found] == [0.2553, 0.0624]
    assert [round(bound.high, 4) for bound in found] == [0.3662, 0.1605]


def test_bca_is_that_of_scipy_with_many_rows() -> None:
    rows = np.random.default_rng(5).gamma(2.0, size=1000)
    expected = scipy_stats.bootstrap((rows,), np.mean, n_resamples=2000, batch=500, method="BCa", rng=0)
    low, high = expected.confidence_interval
    bounds = bca(rows.mean(), expected.bootstrap_distribution, (rows.sum() - rows) / 999, 1000)
    assert (bounds.low, bounds.high) == pytest.approx((low, high), abs=0.02 * (high - low))


def test_bca_of_few_rows_is_that_of_student() -> None:
    rows = np.arange(-4.0, 5.0)  # nine, on both sides alike
    normal = scipy_stats.norm(scale=rows.std() / 3)
    bounds = bca(0.0, normal.ppf((np.arange(100_000) + 0.5) / 100_000), (rows.sum() - rows) / 8, 9)
    assert bounds.high == pytest.approx(-bounds.low)
    assert bounds.high == pytest.approx(scipy_stats.t.ppf(0.975, 8) * rows.std(ddof=1) / 3, rel=0.01)


def test_bca_is_wider_where_one_row_weighs_more_than_the_others() -> None:
    draws = np.random.default_rng(0).normal(size=4000)
    even, uneven = np.tile([-1.0, 1.0], 50), np.concatenate([np.tile([-1.0, 1.0], 49), [-20.0, 20.0]])
    narrow, wide = bca(0.0, draws, even, 100), bca(0.0, draws, uneven, 100)
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("left_out", [np.array([]), np.full(5, 0.7)])
def test_bca_of_what_is_always_the_same_is_a_point(left_out: np.ndarray) -> None:
    bounds = bca(0.7, np.full(200, 0.7), left_out, max(1, len(left_out)))
    assert (bounds.low, bounds.high) == (0.7, 0.7)


def test_expanded_percentiles_of_few_rows_are_those_of_student() -> None:
    rows = np.arange(-4.0, 5.0)
    normal = scipy_stats.norm(scale=rows.std() / 3)
    draws = normal.ppf((np.arange(100_000) + 0.5) / 100_000)
    bounds = expanded_percentiles(0.0, draws, (rows.sum() - rows) / 8, 9)
    assert bounds.high == pytest.approx(scipy_stats.t.ppf(0.975, 8) * rows.std(ddof=1) / 3, rel=0.01)
    shifted = expanded_percentiles(0.0, draws + 0.1, (rows.sum() - rows) / 8, 9)
    assert (shifted.low, shifted.high) == pytest.approx((bounds.low + 0.1, bounds.high + 0.1)), "no bias is corrected"


def test_paired_shares_are_the_normal_interval_with_two_more_rows() -> None:
    bounds, half_rows = paired_shares(9, 3, 98), np.repeat([1.0, -1.0, 0.0], [19, 7, 174])
    half = 1.959964 * half_rows.std() / 10
    assert (bounds.value, bounds.low, bounds.high) == pytest.approx((6 / 98, 0.06 - half, 0.06 + half))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_paired_shares_hold_their_value(wins: int, losses: int, others: int) -> None:
    total = wins + losses + others
    bounds = paired_shares(wins, losses, total)
    assert not total or -1 <= bounds.low <= bounds.value <= bounds.high <= 1
    assert math.isnan(bounds.low) == (total == 0)
    assert not bounds.is_point


def test_widened_interval_reaches_a_share_of_the_way_to_both_ends() -> None:
    share = wilson(0.0, 40).high
    found = widened(Interval(value=0.5, low=0.5, high=0.5), (0.0, 2.0), 40)
    assert (found.low, found.high) == pytest.approx((0.5 - 0.5 * share, 0.5 + 1.5 * share))
    wide = Interval(value=1.0, low=0.2, high=1.0)
    assert widened(wide, (0.0, 1.0), 40) == wide
    assert math.isnan(widened(Interval(value=0.0, low=0.0, high=0.0), (0.0, math.inf), 40).high)


def test_difference_interval_is_the_textbook_value() -> None:
    # Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
    found = [
        difference_interval(wilson(a / m, m), wilson(b / n, n)) for a, m, b, n in ((56, 70, 48, 80), (9, 10, 3, 10))
    ]
    assert [(round(gain.low, 4), round(gain.high, 4)) for gain in found] == [(0.0524, 0.3339), (0.1705, 0.8090)]


def test_difference_interval_seldom_calls_equals_different() -> None:
    rng = np.random.default_rng(8)
    shares = zip(rng.binomial(150, 0.9, 2000) / 150, rng.binomial(400, 0.9, 2000) / 400, strict=True)
    gains = [difference_interval(wilson(a, 150), wilson(b, 400)) for a, b in shares]
    assert 0.93 < np.mean([gain.low <= 0 <= gain.high for gain in gains]) < 0.97


def test_wilson_solves_its_equation() -> None:
    bounds = wilson(0.9, 50)
    for bound in (bounds.low, bounds.high):
        assert abs(0.9 - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / 50), rel=1e-5)


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_holds_its_value(right: int, total: int) -> None:
    share = min(right, total) / total
    found = wilson(share, total)
    assert 0 <= found.low <= share <= found.high <= 1


def test_mcnemar_is_the_exact_mid_p() -> None:
    def by_hand(wins: int, losses: int) -> float:
        total, fewer = wins + losses, min(wins, losses)
        weights = [math.comb(total, k) / 2**total for k in range(total + 1)]
        return min(1.0, 2 * (sum(weights[: fewer + 1]) - weights[fewer] / 2))

    for wins, losses in product(range(8), repeat=2):
        expected = 1.0 if wins == losses else by_hand(wins, losses)
        assert mcnemar_p(wins, losses) == pytest.approx(expected)


def test_mcnemar_without_a_difference_is_one() -> None:
    assert mcnemar_p(0, 0) == 1.0


def test_seed_interval_of_one_seed_is_that_of_its_rows() -> None:
    rows = wilson(0.9, 200)
    found = seed_interval([0.9], rows)
    assert (found.value, found.low, found.high) == pytest.approx((rows.value, rows.low, rows.high))


def test_seed_interval_grows_with_the_spread() -> None:
    rows = wilson(0.9, 200)
    close, apart = seed_interval([0.90, 0.90], rows), seed_interval([0.85, 0.95], rows)
    assert (close.value, apart.value) == pytest.approx((0.9, 0.9))
    assert apart.low < close.low
    assert apart.high > close.high


def test_seed_interval_adds_squares_of_row_noise_and_seed_noise() -> None:
    rows = Interval(value=1.5, low=0.5, high=4.5)
    found, wider = seed_interval([1.0, 3.0], rows), scipy_stats.t.ppf(0.975, (1 + (2 / 1.959964) ** 2) ** 2) / 1.959964
    spread = 1.959964 * math.sqrt(2) / math.sqrt(2)
    assert (found.value, found.low, found.high) == pytest.approx(
        (2.0, 2 - wider * math.hypot(1, spread), 2 + wider * math.hypot(3, spread))
    )


def test_seed_interval_is_that_of_student_only_where_the_seeds_are_most_of_the_noise() -> None:
    for half, factor in ((1e-6, 12.7062), (20.0, 1.959964)):
        found = seed_interval([1.0, 3.0], Interval(value=2.0, low=2.0 - half, high=2.0 + half))
        assert found.high - 2.0 == pytest.approx(math.hypot(factor, half), rel=1e-3)


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_seed_interval_holds_the_mean_over_all_seeds(num_seeds: int) -> None:
    """Models that differ by a point, on 450 rows; seven tenths of the noise of a row are the same for all of them."""
    rng, held = np.random.default_rng(3), []
    for _ in range(400):
        truths = np.clip(rng.normal(0.9, 0.01, size=(num_seeds, 1)), 0, 1)
        noise = math.sqrt(0.7) * rng.normal(size=450) + math.sqrt(0.3) * rng.normal(size=(num_seeds, 450))
        scores = (noise < scipy_stats.norm.ppf(truths)).mean(axis=1)
        bounds = seed_interval(scores.tolist(), wilson(float(scores.mean()), 450))
        held.append(bounds.low <= 0.9 <= bounds.high)
    assert 0.93 <= np.mean(held) < 1


def test_seed_interval_is_unknown_where_the_noise_of_the_rows_is() -> None:
    found = seed_interval([1.0, 3.0], unknown())
    assert found.value == 2.0
    assert math.isnan(found.low) and math.isnan(found.high)


def test_seed_interval_stays_on_the_scale() -> None:
    found = seed_interval([0.9, 1.0], wilson(0.95, 10), (0.0, 1.0))
    assert found.high == 1.0 > found.value > found.low > 0.0


def test_seed_interval_of_what_has_no_rows_is_of_the_seeds_alone() -> None:
    found = seed_interval([1.0, 3.0], None)
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(scipy_stats.t.ppf(0.975, 1) * math.sqrt(2) / math.sqrt(2))
    assert math.isnan(seed_interval([1.0], None).low)


def test_seed_interval_leaves_out_what_is_not_a_number() -> None:
    assert seed_interval([0.5, math.nan], wilson(0.5, 10)).value == 0.5
    assert math.isnan(seed_interval([math.nan], unknown()).value)
