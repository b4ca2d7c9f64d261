"""Where the best value of a param lies by the scores of a few noisy trials: within the range searched, or beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

__all__ = ["Beyond", "Scored", "beyond"]

# The curves that are compared, in widths of the range searched; drops and noise are in spreads of the scores.
_STEP = 0.05
_FARTHEST = 0.5
_OPTIMA = np.arange(-_FARTHEST - 1, 2 + _FARTHEST + _STEP / 2, _STEP)
_WIDTHS = np.array([0.2, 0.4, 0.8, 3.0])
_DROPS = np.geomspace(0.1, 6.0, 14)
_NOISES = np.geomspace(0.05, 1.0, 7)
#: The standard deviations of the level of the scores, and of the effects of other params.
_LEVEL, _EFFECT = 30.0, 0.25
#: The error of a curve's form, as a share of how far a score is below the best one.
_MISFIT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Trials that were trained equally far.

    `places` [trials] are the values of the param, 0 at the lower end of its range and 1 at the upper one; `scores`
    [trials] are better when higher. `others` [trials, k] are values of other params, about 0 and of size 1. So far in
    the training the optimum may lie as much lower and higher than at its end as `drift` says, in widths of the range.
    """

    places: np.ndarray
    scores: np.ndarray
    others: np.ndarray
    drift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """How probable it is that the optimum lies below the range searched, and above it."""

    below: float
    above: float


def beyond(groups: Sequence[Scored]) -> Beyond:
    """Returns how probable it is that the optimum lies beyond each end of the range; 0.25 where nothing is known.

    Curves that fall to both sides of one optimum like a normal density, the widest like a parabola, are compared by how
    well they explain the scores. Beforehand any optimum up to half a width beyond the range is as probable as any
    other, and so is any width, drop and noise of a grid, the last two on log scales. The level of the scores and linear
    effects of other params are integrated out, and so is the drift of the optimum.
    """
    log_likelihood = np.zeros(len(_OPTIMA))
    for group in groups:
        log_likelihood += _log(_drifted(_likelihood(group), group.drift))
    is_possible = (_OPTIMA > -_FARTHEST - _STEP / 2) & (_OPTIMA < 1 + _FARTHEST + _STEP / 2)
    posterior = np.where(is_possible, np.exp(log_likelihood - log_likelihood[is_possible].max()), 0.0)
    posterior /= posterior.sum()
    half = _STEP / 2
    return Beyond(
        below=float(posterior[-half > _OPTIMA].sum()),
        above=float(posterior[1 + half < _OPTIMA].sum()),
    )


def _log(values: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.maximum(values, 1e-300))
    return logs


def _drifted(likelihood: np.ndarray, drift: tuple[float, float]) -> np.ndarray:
    """Returns the likelihood of each optimum at the end of the training, as the mean over all drifts."""
    lower, higher = (ceil(distance / _STEP) for distance in drift)
    padded = np.pad(likelihood, (lower, higher), mode="edge")
    kernel = np.full(lower + higher + 1, 1 / (lower + higher + 1))
    return np.convolve(padded, kernel, mode="valid")


def _likelihood(group: Scored) -> np.ndarray:
    """Returns the likelihood of each optimum, in arbitrary units."""
    spread = float(group.scores.std())
    if not spread > 0:
        return np.ones(len(_OPTIMA))
    target = (group.scores - group.scores.mean()) / spread
    shapes = _shapes(group.places)
    logs = np.stack([_log_likelihoods(target, shapes, noise, group.others) for noise in _NOISES])
    likelihood: np.ndarray = np.exp(logs - logs.max()).sum(axis=(0, 2, 3))
    return likelihood


def _shapes(places: np.ndarray) -> np.ndarray:
    """Returns a curve for each optimum and width [optima, widths, trials]; it falls by 1 over the range's width."""
    distances = (places - _OPTIMA[:, None, None]) / _WIDTHS[:, None]
    shapes: np.ndarray = np.expm1(-(distances**2) / 2) / -np.expm1(-1 / (2 * _WIDTHS[:, None] ** 2))
    return shapes


def _log_likelihoods(target: np.ndarray, shapes: np.ndarray, noise: float, others: np.ndarray) -> np.ndarray:
    """Returns the log likelihood of each curve with each drop [optima, widths, drops]."""
    errors = noise**2 + (_MISFIT * (target.max() - target)) ** 2
    covariance = np.diag(errors) + _LEVEL**2 + _EFFECT**2 * others @ others.T
    root = np.linalg.cholesky(covariance)
    flat = shapes.reshape(-1, len(target))
    whitened, white_shapes = np.linalg.solve(root, target), np.linalg.solve(root, flat.T)
    misfits = (
        whitened @ whitened
        - 2 * np.outer(whitened @ white_shapes, _DROPS)
        + np.outer((white_shapes**2).sum(axis=0), _DROPS**2)
    )
    logs: np.ndarray = -misfits / 2 - np.log(np.diag(root)).sum()
    return logs.reshape(*shapes.shape[:2], len(_DROPS))
