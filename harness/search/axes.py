"""A study's searched parameters as Optuna has them: distributions, define-by-run draws, and the grid.

Knows nothing of samplers' histories or of trials.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import gcd, prod
from typing import TYPE_CHECKING, Any

from harness.spec.configure import Param, arms, is_compared, search_space, values_of
from harness.spec.space import Choices
from harness.spec.study import StudySpec
from harness.spec.trial import ParamValue

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

__all__ = ["Axes", "Params", "params_key"]

Params = dict[str, ParamValue]
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter; `labels` are its choices as Optuna can store them (a list of steps becomes JSON text)."""

    param: Param
    distribution: BaseDistribution
    labels: Mapping[str, ParamValue]

    def to_optuna(self, value: ParamValue) -> Any:
        return json.dumps(value) if isinstance(value, tuple) else value

    def from_optuna(self, value: Any) -> ParamValue:
        return self.labels.get(value, value) if isinstance(value, str) else value


class Axes:
    """The search space of one arm (one compared checkpoint, or the only one)."""

    def __init__(self, spec: StudySpec, arm: str) -> None:
        self.fixed: Params = {"checkpoint": arm} if is_compared(spec) else {}
        self.axes = [_axis(param) for param in search_space(spec)]
        self.conditional = any(axis.param.when for axis in self.axes)
        self._arms = arms(spec)

    def draw(self, trial: Trial) -> Params:
        """Suggests every active parameter, each after those that its condition speaks of."""
        drawn = dict(self.fixed)
        for axis in self.axes:
            if axis.param.active(drawn):
                drawn[axis.param.name] = axis.from_optuna(_suggest(trial, axis))
        return drawn

    def stored(self, params: Mapping[str, ParamValue], *, compared: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values and distributions for Optuna; with the compared checkpoint among them for the study on disk."""
        from optuna.distributions import CategoricalDistribution

        present = [axis for axis in self.axes if axis.param.name in params]
        values = {axis.param.name: axis.to_optuna(params[axis.param.name]) for axis in present}
        distributions = {axis.param.name: axis.distribution for axis in present}
        if compared and self.fixed:
            values |= self.fixed
            distributions["checkpoint"] = CategoricalDistribution(self._arms)
        return values, distributions

    def grid(self, seed: int) -> Iterator[Params]:
        """Every point of the grid in a scattered order that `seed` starts; the same point may come twice.

        Steps of the golden ratio's share of a finite cycle visit all of it, far points first, without holding it in
        memory. Optuna's own grid holds the whole product, knows no conditions, and gives points twice when trials
        run side by side.
        """
        values = [values_of(axis.param.domain) for axis in self.axes]
        total = prod(len(each) for each in values)
        stride = next(step for step in range(max(1, round(total * GOLDEN)), 2 * total + 1) if gcd(step, total) == 1)
        for turn in range(total):
            index = (seed + turn * stride) % total
            drawn = dict(self.fixed)
            for axis, choices in zip(self.axes, values, strict=True):
                index, digit = divmod(index, len(choices))
                if axis.param.active(drawn):
                    drawn[axis.param.name] = choices[digit]
            yield drawn


def params_key(params: Mapping[str, ParamValue]) -> str:
    """Equal for equal params; real numbers are compared to 12 digits, since steps add up with rounding."""
    plain = {name: f"{value:.12g}" if isinstance(value, float) else value for name, value in params.items()}
    return json.dumps(plain, sort_keys=True)


def _axis(param: Param) -> Axis:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = param.domain
    if isinstance(domain, Choices):
        labels = {json.dumps(choice): choice for choice in domain.choices if isinstance(choice, tuple)}
        choices = [json.dumps(choice) if isinstance(choice, tuple) else choice for choice in domain.choices]
        return Axis(param, CategoricalDistribution(choices), labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that `high` is not on the step's grid: no surprise to the user
        if isinstance(domain.low, int) and isinstance(domain.high, int):
            distribution: BaseDistribution = IntDistribution(
                domain.low, domain.high, log=domain.log, step=domain.step or 1
            )
        else:
            distribution = FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return Axis(param, distribution, {})


def _suggest(trial: Trial, axis: Axis) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    name, by = axis.param.name, axis.distribution
    if isinstance(by, CategoricalDistribution):
        return trial.suggest_categorical(name, by.choices)
    if isinstance(by, IntDistribution):
        return trial.suggest_int(name, by.low, by.high, log=by.log, step=by.step)
    if isinstance(by, FloatDistribution):
        return trial.suggest_float(name, by.low, by.high, log=by.log, step=by.step)
    raise TypeError(f"no draw for {by}")
