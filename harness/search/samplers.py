"""Optuna's samplers by our names, each created anew for one draw.

A sampler that is used for one draw keeps no state: the draw depends on the mirror study and the seed alone, so a study
draws the same params after a restart as without one.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import look_up
from harness.runtime import quick_imports

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

__all__ = ["SAMPLERS", "derived_seed", "import_libraries", "make_sampler", "num_startup"]

LEARNERS = ("tpe", "gp")
STARTUP_EARLY = 16
#: What a sampler imports when it draws.
LIBRARIES = {
    "tpe": ("scipy.stats.qmc",),
    "qmc": ("scipy.stats.qmc",),
    "gp": ("scipy.stats.qmc", "scipy.optimize", "torch", "torch.utils._device"),
}


def import_libraries(name: str) -> None:
    """Imports what the sampler needs for a draw ahead of it, before other threads import at the same time."""
    with quick_imports():
        for library in LIBRARIES.get(name, ()):
            importlib.import_module(library)


def derived_seed(seed: int, index: int) -> int:
    """Returns the seed for draw `index`, the same in all arms: compared checkpoints get the same first points."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=4).digest(), "big")


def num_startup(num_trials: int, *, early: bool) -> int:
    """Returns how many trials a learning sampler waits for: Optuna's ten, in a small study a quarter, at least four.

    Sixteen where it sees `early` values, those of an early first rung: there the largest learning rates look best that
    end up worst, and a sampler that learns from a few such values proposes hardly anything else.
    """
    return STARTUP_EARLY if early else min(10, max(4, num_trials // 4))


def make_sampler(
    name: str, *, seed: int, study_seed: int, num_trials: int, num_ended: int, early: bool, conditional: bool
) -> BaseSampler:
    """Returns the sampler for the next draw of an arm of `num_trials`; `num_ended` have a value (an `early` one).

    The learning samplers start from a scrambled Sobol sequence instead of independent random draws: a few points
    cover the space more evenly (Bergstra and Bengio 2012, section 5).

    Raises:
        InputError: no sampler has this name (`grid` is none of them: the proposer goes through the grid itself).
    """
    make = look_up(SAMPLERS, name, "search.sampler")
    if name in LEARNERS and num_ended < num_startup(num_trials, early=early):
        make = _qmc
    return make(_Draw(seed=seed, study_seed=study_seed, num_trials=num_trials, conditional=conditional))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """The arguments of a sampler: the seeds of this draw and of the study, and facts of the arm."""

    seed: int
    study_seed: int
    num_trials: int
    conditional: bool


def _tpe(draw: _Draw) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=draw.seed, n_startup_trials=0, group=draw.conditional, constant_liar=True)


def _gp(draw: _Draw) -> BaseSampler:
    from optuna.samplers import GPSampler

    return GPSampler(seed=draw.seed, n_startup_trials=0, warn_independent_sampling=False)


def _random(draw: _Draw) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=draw.seed)


def _qmc(draw: _Draw) -> BaseSampler:
    """One Sobol sequence for the whole study, with the study's seed; params outside of it use the draw's own seed."""
    from optuna.samplers import QMCSampler

    return QMCSampler(
        seed=draw.study_seed, scramble=True, independent_sampler=_random(draw), warn_independent_sampling=False
    )


def _cmaes(draw: _Draw) -> BaseSampler:
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=draw.seed, warn_independent_sampling=False)


def _nsga2(draw: _Draw) -> BaseSampler:
    from optuna.samplers import NSGAIISampler

    # With Optuna's fifty trials a generation a small study would never leave the random draws of the first one.
    return NSGAIISampler(seed=draw.seed, population_size=min(50, max(4, draw.num_trials // 4)))


SAMPLERS: Mapping[str, Callable[[_Draw], BaseSampler]] = {
    "tpe": _tpe,
    "gp": _gp,
    "random": _random,
    "qmc": _qmc,
    "cmaes": _cmaes,
    "nsga2": _nsga2,
}
