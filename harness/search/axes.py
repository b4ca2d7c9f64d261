"""A study's searched parameters as Optuna has them: distributions, draws from them, and the grid."""

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
        """The value as Optuna stores it."""
        return json.dumps(value) if isinstance(value, tuple) else value

    def from_optuna(self, value: Any) -> ParamValue:
        """The value of what Optuna has stored."""
        return self.labels.get(value, value) if isinstance(value, str) else value


class Axes:
    """The search space of one arm (a compared checkpoint, or the whole study where none is compared)."""

    def __init__(self, spec: StudySpec, arm: str) -> None:
        self.fixed: Params = {"checkpoint": arm} if is_compared(spec) else {}
        self.axes = [_axis(param) for param in search_space(spec)]
        self.conditional = any(axis.param.when for axis in self.axes)
        self._arms = arms(spec)

    def draw(self, trial: Trial) -> Params:
        """Returns a value for every active parameter, drawn after the parameters that its condition names."""
        drawn = dict(self.fixed)
        for axis in self.axes:
            if axis.param.active(drawn):
                drawn[axis.param.name] = axis.from_optuna(_suggest(trial, axis))
        return drawn

    def stored(self, params: Mapping[str, ParamValue], *, compared: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns values and distributions for Optuna; `compared` adds the compared checkpoint (for the disk)."""
        from optuna.distributions import CategoricalDistribution

        present = [axis for axis in self.axes if axis.param.name in params]
        values = {axis.param.name: axis.to_optuna(params[axis.param.name]) for axis in present}
        distributions = {axis.param.name: axis.distribution for axis in present}
        if compared and self.fixed:
            values |= self.fixed
            distributions["checkpoint"] = CategoricalDistribution(self._arms)
        return values, distributions

    def grid(self, seed: int) -> Iterator[Params]:
        """Yields every point of the grid in a scattered order that starts at `seed`; a point may come twice.

        The order steps through the grid by the golden ratio's share of its size: it visits every point, far points
        first, and needs no list of them. Optuna's own grid sampler holds the whole product in memory, has no
        conditions, and gives points twice when trials run in parallel.
        """
        values = [values_of(axis.param.domain) for axis in self.axes]
        total = prod(len(choices) for choices in values)
        stride = next(step for step in range(max(1, round(total * GOLDEN)), 2 * total + 1) if gcd(step, total) == 1)
        for visit in range(total):
            index = (seed + visit * stride) % total
            drawn = dict(self.fixed)
            for axis, choices in zip(self.axes, values, strict=True):
                index, digit = divmod(index, len(choices))
                if axis.param.active(drawn):
                    drawn[axis.param.name] = choices[digit]
            yield drawn


def params_key(params: Mapping[str, ParamValue]) -> str:
    """Returns a text that is equal for equal params; floats have 12 digits, as steps add rounding errors."""
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

    name, distribution = axis.param.name, axis.distribution
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        low, high = distribution.low, distribution.high
        return trial.suggest_int(name, low, high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name, distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    raise TypeError(f"no draw for {distribution}")
