"""Which of several models can still have the best mean over their seeds, when not all seeds have been trained.

Finalists start with one seed each. A further seed is trained only for those that may still win, in rounds, so those
that are left always have equally many; the best mean among them wins. `benchmarks/seed_race.py` measures the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

__all__ = ["LEAST_CHANCE", "Dropped", "Race", "race"]

#: A finalist leaves when its chance to have the best mean of all seeds is smaller.
LEAST_CHANCE = 0.05
#: The variance between seeds before any finalist has two: this times what the rows on which finalists differ suggest.
#: For two seeds of a good cell in `benchmarks/tables/` it is 2.5 in the mean, 1.0 without the pair that differs most.
ROWS_TO_SEEDS = 3.0
#: What that guess counts as, in degrees of freedom.
PRIOR_WEIGHT = 4
_NUM_DRAWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A finalist that has left the race after `num_seeds` seeds, its mean `behind` that of the leader.

    `behind` is NaN where its last training failed.
    """

    index: int
    num_seeds: int
    behind: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Where a race stands: those left in it need `num_seeds` seeds each; it is over when they have them.

    `untrained` are those of them that do not have the last of these seeds yet.
    """

    left: tuple[int, ...]
    num_seeds: int
    untrained: tuple[int, ...]
    dropped: tuple[Dropped, ...]


def race(
    scores: Sequence[Sequence[float]], row_sd: float, most: int, arms: Sequence[Sequence[int]] | None = None
) -> Race:
    """Replays the rounds of a race over the scores that are known, the higher the better, so that it can go on.

    Args:
        scores: of each finalist, in the order of its seeds; NaN is a training that failed.
        row_sd: standard error of the difference of two finalists from the rows alone; NaN where it is not known.
        most: seeds of those that are left at the end.
        arms: the finalists of each compared checkpoint; each keeps its best one, so that these have equal seeds.
    """
    groups = [list(range(len(scores)))] if arms is None else [list(arm) for arm in arms]
    dropped: list[Dropped] = []
    for num_seeds in range(1, most + 1):
        left = [index for group in groups for index in group]
        untrained = tuple(index for index in left if len(scores[index]) < num_seeds)
        if untrained:
            return Race(left=tuple(left), num_seeds=num_seeds, untrained=untrained, dropped=tuple(dropped))
        known = [of_seeds[:num_seeds] for of_seeds in scores]
        groups = [_without_failed(group, known, dropped) for group in groups]
        if num_seeds == most:
            break
        noise = _seed_noise([of_seeds for of_seeds in known if all(map(isfinite, of_seeds))], row_sd)
        ended = [_drop(group, known, num_seeds, most, noise, dropped) for group in groups]
        leaders = [max(group, key=lambda index: sum(known[index])) for group in groups if group]
        if all(ended) and _drop(leaders, known, num_seeds, most, noise, []):
            break
    left = [index for group in groups for index in group]
    return Race(left=tuple(left), num_seeds=num_seeds, untrained=(), dropped=tuple(dropped))


def _without_failed(group: list[int], known: Sequence[Sequence[float]], dropped: list[Dropped]) -> list[int]:
    failed = [index for index in group if not isfinite(known[index][-1])]
    dropped += [Dropped(index=index, num_seeds=len(known[index]), behind=float("nan")) for index in failed]
    return [index for index in group if index not in failed]


def _seed_noise(known: Sequence[Sequence[float]], row_sd: float) -> tuple[float, int]:
    """The standard deviation of one training's score over seeds, and its degrees of freedom; (NaN, 0) if unknown."""
    freedom = sum(len(of_seeds) - 1 for of_seeds in known)
    squares = sum(float(np.var(of_seeds)) * len(of_seeds) for of_seeds in known)
    if row_sd > 0:
        squares += PRIOR_WEIGHT * ROWS_TO_SEEDS * row_sd**2 / 2
        freedom += PRIOR_WEIGHT
    return (sqrt(squares / freedom), freedom) if freedom else (float("nan"), 0)


def _drop(
    group: list[int],
    known: Sequence[Sequence[float]],
    num_seeds: int,
    most: int,
    noise: tuple[float, int],
    dropped: list[Dropped],
) -> bool:
    """Takes those that cannot win out of `group`, and adds them to `dropped`; returns True when its race is over."""
    if len(group) < 2:
        return True
    if not noise[1]:
        return False
    means = np.array([np.mean(known[index]) for index in group])
    chances, best = _chances(means, num_seeds, most, *noise), means.max()
    leaves = (chances < LEAST_CHANCE) & (np.arange(len(group)) != means.argmax())
    dropped += [
        Dropped(index=group[at], num_seeds=num_seeds, behind=float(best - means[at])) for at in np.flatnonzero(leaves)
    ]
    group[:] = [index for index, leave in zip(group, leaves, strict=True) if not leave]
    return len(group) < 2


def _chances(means: np.ndarray, num_seeds: int, most: int, sd: float, freedom: int) -> np.ndarray:
    """The chance of each finalist to have the best mean of `most` seeds.

    Drawn from the posterior with a flat prior of the true means; the random numbers are always the same.
    """
    rng = np.random.default_rng(0)
    sds = sd * np.sqrt(freedom / rng.chisquare(freedom, size=(_NUM_DRAWS, 1)))
    shape, missing = (_NUM_DRAWS, len(means)), most - num_seeds
    true = means + rng.standard_normal(shape) * sds / sqrt(num_seeds)
    later = true + rng.standard_normal(shape) * sds / sqrt(missing)
    final = (num_seeds * means + missing * later) / most
    return np.bincount(final.argmax(axis=1), minlength=len(means)) / _NUM_DRAWS
