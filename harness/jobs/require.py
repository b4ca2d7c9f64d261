"""Checks the winner of a study against the requirements of `--require`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

from harness.errors import StudyFailed
from harness.records.final import FinalModel
from harness.records.results import Results
from harness.report.kit.text import clip, interval, join
from harness.spec.requirement import Requirement
from harness.stats.shown import NONE, shown_apart

__all__ = ["check_requirements"]

_PLACES = {
    "value": "on test",
    "low": "on test at the low end of the 95 % interval",
    "high": "on test at the high end of the 95 % interval",
}


def check_requirements(results: Results, requirements: Sequence[Requirement], say: Callable[[str], None]) -> None:
    """Says a line on each requirement that the winner meets: by its test scores, or by its costs as `best.metrics` has.

    These are means over its seeds, as the report shows them.

    Raises:
        StudyFailed: there is no winner, or a requirement is not met; a line on each that is not.
    """
    if not requirements:
        return
    winner = results.final.winning_model if results.final else None
    if winner is None:
        required = join(requirement.text for requirement in requirements)
        raise StudyFailed(f"required {required}, but {results.folder} has no winner{results.why_no_winner}")
    unmet = []
    for requirement in requirements:
        value = _value(results, winner, requirement)
        if value is not None and requirement.is_met(value):
            say(f"required {requirement.text}: {_measured(requirement, value)}")
        else:
            unmet.append(f"required {requirement.text}, but the winner has {_shortfall(requirement, value, winner)}")
    if unmet:
        raise StudyFailed("\n".join(unmet))


def _value(results: Results, winner: FinalModel, requirement: Requirement) -> float | None:
    """Returns what the requirement is about; None where it was not measured."""
    name = requirement.metric.name
    if requirement.metric.is_cost:
        row = next(row for row in results.leaderboard() if row.record.number == winner.number)
        return requirement.measured(row.metrics)
    bounds = winner.test.get(name)
    value = float(getattr(bounds, requirement.part)) if bounds else None
    return value if value is not None and isfinite(value) else None


def _place(requirement: Requirement) -> str:
    return "in training" if requirement.metric.is_cost else _PLACES[requirement.part]


def _measured(requirement: Requirement, value: float) -> str:
    """Returns the value, with as many digits as tell it from the limit."""
    return clip(f"{shown_apart(requirement.metric, value, requirement.limit)[0]} {_place(requirement)}")


def _shortfall(requirement: Requirement, value: float | None, winner: FinalModel) -> str:
    """Returns what the winner has instead, with the interval that does not stand there already."""
    name = requirement.metric.name
    if value is None:
        return f"no {name} {_place(requirement)}"
    measured = _measured(requirement, value)
    if requirement.metric.is_cost or requirement.part != "value":
        return measured
    bounds = interval(name, winner.test[name])
    return measured if bounds == NONE else clip(f"{measured} (95 % interval {bounds})")
