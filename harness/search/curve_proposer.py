"""Draws the trials of a replayed search: what the sampler proposes, moved to the nearest curve that is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log
from random import Random
from typing import Any

from harness.records.curves import Curve, Curves
from harness.search.axes import Axes, params_key
from harness.search.propose import Proposal, Proposer
from harness.spec.configure import Domain, Param, arms, is_compared, search_space
from harness.spec.space import Range
from harness.spec.study import StudySpec
from harness.spec.trial import ParamValue

__all__ = ["CurveProposer"]


class CurveProposer(Proposer):
    """A `Proposer` of the params of curves, each once; of several curves with the same params (seeds) it takes one.

    `curve_of` holds the curve of each trial drawn.
    """

    def __init__(self, spec: StudySpec, curves: Curves) -> None:
        super().__init__(spec, (), curves.num_train_rows)
        cells: dict[str, list[Curve]] = {}
        for curve in curves.curves:
            cells.setdefault(params_key(curve.params), []).append(curve)
        random = Random(spec.search.seed)
        drawn = [random.choice(cell) for cell in cells.values()]
        names = arms(spec) if is_compared(spec) else (None,)
        self._left = [[curve for curve in drawn if name in (None, curve.params.get("checkpoint"))] for name in names]
        self._axes = [Axes(spec, name) for name in arms(spec)]
        self._space = search_space(spec)
        self.curve_of: dict[int, Curve] = {}

    def ask(self, number: int, arm: int) -> Proposal | None:
        """Returns the params of the curve that is nearest to the sampler's draw; None when all curves are drawn."""
        proposal = super().ask(number, arm) if self._left[arm] else None
        if proposal is None:
            return None
        drawn = proposal.params
        curve = min(self._left[arm], key=lambda curve: _distance(self._space, drawn, curve.params))
        self._left[arm].remove(curve)
        self.curve_of[number] = curve
        values, distributions = self._axes[arm].stored(curve.params, compared=False)
        mirror = self._arms[arm].mirror
        if mirror is not None:
            mirror.move(number, values, distributions)
        return replace(proposal, params=dict(curve.params), values=values, distributions=distributions)


def _distance(space: tuple[Param, ...], a: Mapping[str, ParamValue], b: Mapping[str, ParamValue]) -> float:
    """Returns the sum over the params: 0 for equal values, 1 for the ends of a range or values that have no order."""
    return sum(_apart(param.domain, a.get(param.name), b.get(param.name)) for param in space)


def _apart(domain: Domain, a: ParamValue, b: ParamValue) -> float:
    ends: tuple[Any, ...] = (domain.low, domain.high) if isinstance(domain, Range) else domain.choices
    values: list[Any] = [a, b, *ends]
    if a == b or any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in values):
        return float(a != b)
    scale: Callable[[float], float] = float
    if min(values) > 0 and (not isinstance(domain, Range) or domain.log):
        scale = log
    first, second, *scaled = (scale(value) for value in values)
    return abs(first - second) / (max(scaled) - min(scaled) or 1)
