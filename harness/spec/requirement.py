"""Requirements on a model, as `--require 'accuracy >= 0.9'` and `search.constraints` give them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isnan
from typing import Literal

from harness.errors import InputError
from harness.spec.mistakes import show
from harness.spec.tasks import TaskFacts
from harness.stats.metric import Metric

__all__ = ["Requirement", "parse_requirement", "parse_requirements"]

Part = Literal["value", "low", "high"]
ENDS: dict[str, Part] = {"low": "low", "high": "high"}
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
FORM = re.compile(
    r"(?P<name>[^<>=]+)(?P<operator>[<>]=?)\s*"
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?)\s*(?P<percent>%?)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A limit on a metric of a model: on its value, or on an end (`accuracy.low`) of its 95 % interval."""

    text: str
    metric: Metric
    part: Part
    operator: str
    limit: float

    def is_met(self, value: float) -> bool:
        """Returns True when `value` is within the limit; NaN never is."""
        return OPERATORS[self.operator](value, self.limit)

    def measured(self, metrics: Mapping[str, float]) -> float | None:
        """Returns the metric's value; None where it was not measured. Such a cost is recorded as 0."""
        value = metrics.get(self.metric.name)
        if value is None or isnan(value) or (self.metric.is_cost and value == 0):
            return None
        return value


def parse_requirements(texts: Iterable[str], facts: TaskFacts) -> tuple[Requirement, ...]:
    """Returns the requirements on a winner of the task.

    Raises:
        InputError: a text is no requirement, or one that no model can meet; a line on each.
    """
    requirements, mistakes = [], []
    for text in texts:
        try:
            requirements.append(parse_requirement(text, facts))
        except InputError as error:
            mistakes.append(f"--require {show(text)}: {error}")
    if mistakes:
        raise InputError("\n".join(mistakes))
    return tuple(requirements)


def parse_requirement(text: str, facts: TaskFacts) -> Requirement:
    """Returns the requirement on a model of the task.

    Raises:
        InputError: the text is no requirement, or one that no model can meet.
    """
    match = FORM.fullmatch(text)
    if match is None:
        raise InputError(f"must be a metric, one of {' '.join(OPERATORS)}, and a number, as in 'accuracy >= 0.9'")
    name, sign, number, percent = (group.strip() for group in match.groups())
    metric, part = _metric(name, facts)
    if percent and not metric.percent:
        raise InputError(f"{metric.name} is not given in percent")
    # As decimals: 83.3 / 100 in binary need not be the nearest number to 0.833.
    limit = float(Decimal(number).scaleb(-2 if percent else 0))
    text = f"{name} {sign} {number}{percent}"
    requirement = Requirement(text=text, metric=metric, part=part, operator=sign, limit=limit)
    side, end = ("above", metric.high) if sign.startswith(">") else ("below", metric.low)
    if not requirement.is_met(end):
        hint = f"; did you mean {number}%?" if metric.percent and not percent and 1 < limit <= 100 else ""
        raise InputError(f"no model can meet it: {metric.name} is never {side} {end:g}{hint}")
    return requirement


def _metric(name: str, facts: TaskFacts) -> tuple[Metric, Part]:
    """Returns the metric that `name` names, and which part of its interval."""
    stem, _, end = name.rpartition(".")
    part = ENDS.get(end)
    if part is None or name in facts.objectives:
        return facts.metric(name), "value"
    metric = facts.metric(stem)
    if metric.is_cost:
        raise InputError(f"{stem} has no interval; leave out .{end}")
    return metric, part
