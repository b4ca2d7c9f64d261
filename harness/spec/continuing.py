"""Gives a study that is continued the recorded value of every key that its file does not set."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.spec.checks import contradictions
from harness.spec.space import is_searched
from harness.spec.study import StudySpec

__all__ = ["as_begun_with"]

Section = TypeVar("Section", bound=BaseModel)

#: A study has exactly one of these keys, so the one that the file sets replaces the recorded one.
SOURCES = frozenset({"path", "hub", "builtin"})


def as_begun_with(spec: StudySpec, recorded: StudySpec) -> StudySpec:
    """Returns the study with the recorded value of every key that neither its file nor the command line sets.

    So a default that changed between two versions is no difference. Where recorded and set values contradict each
    other, the study is returned unchanged, and the caller shows the differences.
    """
    merged = _merged(spec, recorded)
    try:
        StudySpec.model_validate(merged.model_dump(mode="json"))
    except ValidationError:
        return spec
    return spec if contradictions(merged) else merged


def _merged(section: Section, recorded: Section) -> Section:
    values = {name: _value(section, recorded, name) for name in type(section).model_fields}
    return section.model_copy(update=values)


def _value(section: BaseModel, recorded: BaseModel, name: str) -> Any:
    value, recorded_value = getattr(section, name), getattr(recorded, name)
    if name not in section.model_fields_set:
        return value if name in SOURCES and section.model_fields_set & SOURCES else recorded_value
    if type(value) is type(recorded_value) and isinstance(value, BaseModel) and not is_searched(value):
        return _merged(value, recorded_value)
    return value
