"""A study that goes on: the keys that its file does not set take the values that it was begun with."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.spec.checks import contradictions
from harness.spec.space import is_searched
from harness.spec.study import StudySpec

__all__ = ["as_begun_with"]

Section = TypeVar("Section", bound=BaseModel)

#: One of them excludes the others, so a source that is given replaces the recorded one.
SOURCES = frozenset({"path", "hub", "builtin"})


def as_begun_with(spec: StudySpec, recorded: StudySpec) -> StudySpec:
    """The study with the recorded value of every key that neither its file nor the command line has set.

    So a default that changed between two versions is no difference. Where the values of both contradict each other,
    the study stays as it is, and what differs is shown.
    """
    merged = _merged(spec, recorded)
    try:
        StudySpec.model_validate(merged.model_dump(mode="json"))
    except ValidationError:
        return spec
    return spec if contradictions(merged) else merged


def _merged(given: Section, recorded: Section) -> Section:
    values = {name: _value(given, recorded, name) for name in type(given).model_fields}
    return given.model_copy(update=values)


def _value(given: BaseModel, recorded: BaseModel, name: str) -> Any:
    asked, before = getattr(given, name), getattr(recorded, name)
    if name not in given.model_fields_set:
        return asked if name in SOURCES and given.model_fields_set & SOURCES else before
    if type(asked) is type(before) and isinstance(asked, BaseModel) and not is_searched(asked):
        return _merged(asked, before)
    return asked
