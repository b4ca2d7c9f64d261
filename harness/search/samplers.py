"""Optuna's samplers by our names, each made anew for one ask.

Knows nothing of trials. A sampler that lives for one ask has no state of its own: what it draws follows from the
mirror study and the seed, so a study draws the same after a restart as without one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

__all__ = ["derived_seed", "make_sampler", "num_startup"]

LEARNERS = ("tpe", "gp")
STARTUP_EARLY = 16


def derived_seed(seed: int, index: int) -> int:
    """A seed for the draw `index` of an arm. Arms share it: compared checkpoints meet the same first points."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=4).digest(), "big")


def num_startup(num_trials: int, *, early: bool) -> int:
    """Trials before a learning sampler starts: Optuna's ten, but at most a quarter of a small study, at least four.

    Sixteen where it sees `early` values, those of a first rung: there the largest learning rates are ahead that end
    behind, and a sampler that learns from a few such values proposes hardly anything else.
    """
    return STARTUP_EARLY if early else min(10, max(4, num_trials // 4))


def make_sampler(
    name: str, *, seed: int, study_seed: int, num_trials: int, num_ended: int, early: bool, conditional: bool
) -> BaseSampler:
    """The sampler for the next draw of an arm of `num_trials`, `num_ended` of which have a value (an `early` one).

    The learning samplers start from a scrambled Sobol sequence instead of independent random draws: a few points
    cover the space more evenly (Bergstra and Bengio 2012, section 5).
    """
    from optuna import samplers

    if name == "qmc" or (name in LEARNERS and num_ended < num_startup(num_trials, early=early)):
        # One sequence for the whole study, so its seed stays; what it does not model is drawn with the ask's own.
        return samplers.QMCSampler(
            seed=study_seed,
            scramble=True,
            independent_sampler=samplers.RandomSampler(seed=seed),
            warn_independent_sampling=False,
        )
    if name == "tpe":
        return samplers.TPESampler(seed=seed, n_startup_trials=0, group=conditional, constant_liar=True)
    if name == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=0, warn_independent_sampling=False)
    if name == "cmaes":
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    if name == "nsga2":
        # Its own fifty a generation would leave a small study at random draws.
        return samplers.NSGAIISampler(seed=seed, population_size=min(50, max(4, num_trials // 4)))
    return samplers.RandomSampler(seed=seed)
