from __future__ import annotations

from collections.abc import Mapping
from math import nan

import numpy as np
import pytest

from harness.stats.race import Race, race

#: Standard error of a difference of two models on 400 rows that differ on an eighth of them.
ROW_SD = 0.018


def trained(known: Mapping[int, tuple[float, ...]], given: Race) -> list[list[float]]:
    """The scores after the seeds that a race asks for: of each finalist as many as it needs."""
    dropped = {one.index: one.num_seeds for one in given.dropped}
    return [list(scores[: dropped.get(index, given.num_seeds)]) for index, scores in known.items()]


def run(known: Mapping[int, tuple[float, ...]], row_sd: float = ROW_SD, arms: list[list[int]] | None = None) -> Race:
    """A whole race, round by round, over scores that are there before."""
    scores: list[list[float]] = [[of_seeds[0]] for of_seeds in known.values()]
    for _ in range(9):
        given = race(scores, row_sd, 3, arms)
        if not given.untrained:
            return given
        scores = trained(known, given)
    pytest.fail("the race has no end")


def test_one_that_is_far_behind_gets_no_seed() -> None:
    given = race([[0.90], [0.89], [0.80]], ROW_SD, 3)
    assert (given.left, given.untrained, given.num_seeds) == ((0, 1), (0, 1), 2)
    (dropped,) = given.dropped
    assert (dropped.index, dropped.num_seeds) == (2, 1)
    assert dropped.behind == pytest.approx(0.1)


def test_a_winner_that_nobody_can_reach_needs_no_seed() -> None:
    given = race([[0.90], [0.80], [0.70]], ROW_SD, 3)
    assert (given.left, given.untrained, given.num_seeds) == ((0,), (), 1)


def test_a_lucky_first_seed_wins_nothing() -> None:
    """The mean over the seeds decides among those that are left, which have equally many."""
    given = run({0: (0.91, 0.87, 0.87), 1: (0.90, 0.90, 0.90), 2: (0.82, 0.99, 0.99)})
    assert 1 in given.left
    assert (given.dropped[0].index, given.dropped[0].num_seeds) == (2, 1)
    assert given.dropped[0].behind == pytest.approx(0.09)


def test_equals_are_trained_to_the_end() -> None:
    given = run({0: (0.90, 0.91, 0.90), 1: (0.91, 0.90, 0.90), 2: (0.90, 0.90, 0.91)})
    assert (given.left, given.num_seeds, given.dropped) == ((0, 1, 2), 3, ())


def test_without_noise_of_rows_the_first_further_seed_is_for_all() -> None:
    for unknown in (nan, 0.0):
        given = race([[0.90], [0.80]], unknown, 3)
        assert (given.untrained, given.num_seeds) == ((0, 1), 2)
        assert race([[0.90, 0.901], [0.80, 0.801]], unknown, 3).left == (0,), "then the seeds tell"


def test_seeds_that_differ_widely_keep_all_in_the_race() -> None:
    """A gap that drops a finalist whose seeds agree does not where seeds differ more than the rows suggest."""
    assert race([[0.90, 0.90], [0.86, 0.86]], ROW_SD, 3).left == (0,)
    assert race([[0.80, 1.00], [0.76, 0.96]], ROW_SD, 3).left == (0, 1)


def test_a_failed_training_leaves_the_race() -> None:
    given = race([[0.90, nan], [0.89, 0.89]], ROW_SD, 3)
    assert given.left == (1,)
    assert given.dropped[0].index == 0
    assert np.isnan(given.dropped[0].behind)
    assert race([[0.90, nan], [0.89, nan]], ROW_SD, 3).left == ()


def test_it_goes_on_from_any_state() -> None:
    """What a race asks for follows from the scores alone: those of one round may come in any order."""
    known = {0: (0.90, 0.89, 0.91), 1: (0.89, 0.90, 0.90), 2: (0.80, 0.80, 0.80)}
    assert race([[0.90, 0.89], [0.89], [0.80]], ROW_SD, 3).untrained == (1,)
    assert race([[0.90], [0.89, 0.90], [0.80]], ROW_SD, 3).untrained == (0,)
    assert race(trained(known, run(known)), ROW_SD, 3) == run(known)


def test_each_arm_keeps_its_best_with_equal_seeds() -> None:
    """Arm 1 is decided at once; its leader still gets the seeds of the other's, so that both can be compared."""
    given = run({0: (0.90, 0.90, 0.91), 1: (0.90, 0.91, 0.90), 2: (0.60, 0.6, 0.6), 3: (0.5,)}, arms=[[0, 1], [2, 3]])
    assert (given.left, given.num_seeds) == ((0, 1, 2), 3)
    assert [one.index for one in given.dropped] == [3]
    apart = race([[0.90], [0.60]], ROW_SD, 3, [[0], [1]])
    assert (apart.left, apart.untrained) == ((0, 1), ()), "no other seed can change which arm is best"
    assert race([[0.90], [0.89]], ROW_SD, 3, [[0], [1]]).untrained == (0, 1)
