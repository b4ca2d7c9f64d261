"""Statistics of a search: best score so far, expected best score, importances of params, Pareto front."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = [
    "FEWEST_TRIALS",
    "expected_best",
    "importances",
    "pareto_front",
    "running_best",
]

#: The fewest trials of which importances are computed.
FEWEST_TRIALS = 10


def running_best(values: Sequence[float], maximize: bool) -> np.ndarray:
    """Returns the best value so far after each one; NaN until there is one."""
    best = np.fmax if maximize else np.fmin
    best_so_far: np.ndarray = np.asarray(best.accumulate(np.asarray(values, dtype=float)))
    return best_so_far


def expected_best(values: Sequence[float], maximize: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns mean, low and high of the best of n trials, for n = 1..len(values).

    Dodge et al. 2019, "Show Your Work", section 3: the best of n independent draws from the values seen has the
    distribution function F(v)^n. The band holds its middle 95 %, and the mean.
    """
    ordered = np.sort(np.asarray(values, dtype=float) * (1 if maximize else -1))
    total = len(ordered)
    trials = np.arange(1, total + 1)
    share = np.arange(1, total + 1) / total
    below = share[None, :] ** trials[:, None]  # [n, values]: P(best of n <= value)
    weight = np.diff(below, prepend=0.0, axis=1)
    mean = weight @ ordered
    low, high = (ordered[np.argmax(below >= quantile, axis=1)] for quantile in (0.025, 0.975))
    low, high = np.minimum(low, mean), np.maximum(high, mean)  # a mean can lie outside the middle of few values
    return (mean, low, high) if maximize else (-mean, -high, -low)


def pareto_front(points: np.ndarray, maximize: Sequence[bool]) -> np.ndarray:
    """Returns which of `points` [rows, objectives] no other point beats in all objectives (bool [rows]).

    Points with a NaN are never on the front; equal points are on it together.
    """
    signed = np.where(np.asarray(maximize), points, -points).astype(float)
    finite = np.isfinite(signed).all(axis=1)
    front: np.ndarray = finite.copy()
    for row in np.flatnonzero(finite):
        beaten = (signed[finite] >= signed[row]).all(axis=1) & (signed[finite] > signed[row]).any(axis=1)
        front[row] = not beaten.any()
    return front


def importances(
    params: Sequence[Mapping[str, Any]], ranks: Sequence[float], logs: Sequence[str] = (), num_resamples: int = 40
) -> dict[str, tuple[float, float, float]]:
    """Returns the share of each parameter in reaching the best tenth of the trials: median, 10 % and 90 % quantile.

    PED-ANOVA (Watanabe et al. 2023; conditional parameters: arXiv 2601.20800) by Optuna, over bootstrap resamples of
    the trials. Most important first. Empty with fewer than ten trials, or when nothing varies.

    Args:
        params: The searched values of each trial; a conditional parameter is missing where it does not apply.
        ranks: The place of each trial, lowest best.
        logs: The parameters that were searched on a logarithmic scale.
        num_resamples: How often the trials are drawn anew.
    """
    spaces = {name: space for name in _names(params) if (space := _space(name, params, name in logs)) is not None}
    if len(params) < FEWEST_TRIALS or not spaces:
        return {}
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(params), size=len(params)) for _ in range(num_resamples)]
    shares = np.array([_shares([params[i] for i in draw], [ranks[i] for i in draw], spaces) for draw in draws])
    low, middle, high = np.nanquantile(shares, (0.1, 0.5, 0.9), axis=0)
    shares_by_name = {name: (float(middle[i]), float(low[i]), float(high[i])) for i, name in enumerate(spaces)}
    return dict(sorted(shares_by_name.items(), key=lambda item: -item[1][0]))


def _names(params: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for trial_params in params for name in trial_params))


def _space(name: str, params: Sequence[Mapping[str, Any]], log: bool) -> BaseDistribution | None:
    """The range that was seen; None where a parameter never varied."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    seen = list(dict.fromkeys(trial_params[name] for trial_params in params if name in trial_params))
    if len(seen) < 2 and all(name in trial_params for trial_params in params):
        return None
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in seen) and len(seen) > 1:
        return FloatDistribution(float(min(seen)), float(max(seen)), log=log and min(seen) > 0)
    return CategoricalDistribution([str(value) for value in seen])


def _shares(
    params: Sequence[Mapping[str, Any]], ranks: Sequence[float], spaces: Mapping[str, BaseDistribution]
) -> list[float]:
    import optuna
    from optuna.distributions import CategoricalDistribution

    def cast(name: str, value: Any) -> Any:
        return str(value) if isinstance(spaces[name], CategoricalDistribution) else float(value)

    trials = []
    for trial_params, rank in zip(params, ranks, strict=True):
        values = {name: cast(name, value) for name, value in trial_params.items() if name in spaces}
        spaces_of = {name: spaces[name] for name in values}
        trials.append(optuna.create_trial(params=values, distributions=spaces_of, value=float(rank)))
    best = max(0.1, min(0.5, 5 / len(trials)))  # at least five trials above the quantile, as its authors ask
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study()
        study.add_trials(trials)
        with warnings.catch_warnings():
            # It warns of few trials in trial_params regime, or of equal sets; the spread over resamples shows that too.
            warnings.simplefilter("ignore")
            importance = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best).evaluate(study)
    finally:
        optuna.logging.set_verbosity(level)
    total = sum(importance.values())
    return [importance.get(name, 0.0) / total if total else float("nan") for name in spaces]
