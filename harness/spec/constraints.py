"""The constraints of a study, limits on validation metrics and costs, and how its trials are ranked under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from sys import float_info

from harness.errors import InputError
from harness.spec.requirement import Requirement, parse_requirement
from harness.spec.study import StudySpec
from harness.spec.tasks import TaskFacts, facts_of

__all__ = ["UNCONSTRAINED", "Constraints", "Ranking", "constraints_of", "parse_constraint"]


@dataclass(frozen=True, slots=True)
class Constraints:
    """What every trial that may win must meet. Without requirements all trials do."""

    requirements: tuple[Requirement, ...] = ()

    def unmet(self, metrics: Mapping[str, float]) -> tuple[Requirement, ...]:
        """Returns the requirements that a trained model does not meet; one that was not measured is not met."""
        return tuple(each for each in self.requirements if _shortfall(each, each.measured(metrics)))

    def violated(self, metrics: Mapping[str, float]) -> tuple[Requirement, ...]:
        """Returns the requirements that are measured and not met: early in a training a speed is not known yet."""
        return tuple(each for each in self.unmet(metrics) if each.measured(metrics) is not None)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Returns by how much a model misses its limits: shares of the limits, added up; 0 for one that meets all."""
        return sum(_shortfall(each, each.measured(metrics)) for each in self.requirements)

    def excess(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Returns by how much a model is beyond each limit, as a share of it: below 0 within, 0 where not measured."""
        return {each.text: _excess(each, each.measured(metrics)) for each in self.requirements}


UNCONSTRAINED = Constraints()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranks the trials of a study: those that meet the constraints first, then by objective, of equals by loss."""

    facts: TaskFacts
    objective: str
    constraints: Constraints

    @classmethod
    def of(cls, spec: StudySpec) -> Ranking:
        """Returns the ranking by the first objective of a study."""
        return cls(facts_of(spec.task), spec.search.objectives[0], constraints_of(spec))

    def key(self, metrics: Mapping[str, float]) -> tuple[float, float, float]:
        """Returns a key that sorts the better of two trained models first; of those beyond a limit the nearer one."""
        return self.constraints.violation(metrics), *self.facts.rank_key(metrics, self.objective)

    def early_key(self, metrics: Mapping[str, float]) -> tuple[float, float, float]:
        """Returns a key for trials in training: those that violate fewer constraints so far sort first."""
        return float(len(self.constraints.violated(metrics))), *self.facts.rank_key(metrics, self.objective)


def parse_constraint(text: str, facts: TaskFacts) -> Requirement:
    """Returns a constraint on the models of a task.

    Raises:
        InputError: the text is no requirement, one that no model can meet, or one on an interval.
    """
    requirement = parse_requirement(text, facts)
    if requirement.part != "value":
        raise InputError(f"a constraint is on the validation score itself; leave out .{requirement.part}")
    return requirement


def constraints_of(spec: StudySpec) -> Constraints:
    """Returns the constraints of a study that was checked."""
    facts = facts_of(spec.task)
    return Constraints(tuple(parse_constraint(text, facts) for text in spec.search.constraints))


def _shortfall(requirement: Requirement, value: float | None) -> float:
    """Returns how far a value is beyond the limit, as a share of it; 0 within, infinite where it was not measured."""
    return inf if value is None else max(0.0, _excess(requirement, value))


def _excess(requirement: Requirement, value: float | None) -> float:
    if value is None:
        return 0.0
    distance = abs(value - requirement.limit) / (abs(requirement.limit) or 1.0)
    return -distance if requirement.is_met(value) else max(distance, float_info.min)  # `x < 1` is not met by 1 either
