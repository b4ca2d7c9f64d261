"""The params that a study tries first: `search.first`, completed by the default recipe, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import nearest
from harness.spec.domains import holds, in_domain, words
from harness.spec.mistakes import long_name, show
from harness.spec.params import (
    Param,
    arms,
    default_params,
    default_value,
    full_key,
    is_compared,
    keys_of,
    search_space,
    searched,
    value_at,
)
from harness.spec.space import Choices, is_searched
from harness.spec.study import StudySpec
from harness.spec.trial import ParamValue

__all__ = ["completed", "first_params", "first_trials", "misfits"]

CHECKPOINT = "model.checkpoint"


def first_params(spec: StudySpec, arm: str) -> list[dict[str, ParamValue]]:
    """Returns the params that the trials of an arm try first, in order and complete."""
    trials = (completed(spec, given, arm) for given in spec.search.first)
    return [params for params in trials if params is not None]


def first_trials(spec: StudySpec, arm: str) -> list[dict[str, ParamValue]]:
    """Returns the different params that an arm begins with: its default recipe, then those that it tries first."""
    recipe: dict[str, ParamValue] = {"checkpoint": arm} if is_compared(spec) else {}
    recipe |= default_params(spec, arm)
    trials = [recipe, *first_params(spec, arm)]
    return [params for at, params in enumerate(trials) if params not in trials[:at]]


def completed(
    spec: StudySpec, given: Mapping[str, Any], arm: str, rest: Mapping[str, Any] | None = None
) -> dict[str, ParamValue] | None:
    """Returns the given params with a value for every other active one, or None where the arm has no such trial.

    Such a trial has another checkpoint, a value outside the space, or a value of a param that is not active in it. The
    other values are those of `rest`, by name, where the space holds them, else those of the default recipe.
    """
    values = {full_key(spec, key): value for key, value in given.items()}
    params: dict[str, ParamValue] = {}
    if is_compared(spec):
        if values.pop(CHECKPOINT, arm) != arm:
            return None
        params["checkpoint"] = arm
    for param in search_space(spec):
        if not param.active(params):
            continue
        value = values.pop(param.key, _other(spec, param, rest or {}))
        if not holds(param.domain, value):
            return None
        params[param.name] = in_domain(param.domain, value)
    return None if any(key in values for key in searched(spec)) else params


def _other(spec: StudySpec, param: Param, rest: Mapping[str, Any]) -> ParamValue:
    """Returns the value of a param that is not given."""
    value: ParamValue = rest.get(param.name)
    return value if param.name in rest and holds(param.domain, value) else default_value(spec, param)


def misfits(spec: StudySpec, given: Mapping[str, Any]) -> dict[str, str]:
    """Returns for each of the given keys why no trial of the study can have its value; empty when one can."""
    wrong = {key: message for key, value in given.items() if (message := _misfit(spec, key, value))}
    full_keys = [full_key(spec, key) for key in given]
    for at, key in enumerate(given):
        if full_keys[at] is not None and full_keys[at] in full_keys[:at]:
            wrong.setdefault(key, f"{full_keys[at]} is given twice")
    if not wrong and all(completed(spec, given, arm) is None for arm in arms(spec)):
        wrong = dict(_inactive(spec, given))
    return wrong


def _misfit(spec: StudySpec, key: str, value: Any) -> str:
    full = full_key(spec, key)
    if full is None:
        names = [*keys_of(spec), *keys_of(spec).values()]
        return f"unknown key; the study searches {_searched(spec)}{nearest(long_name(key), names)}"
    domain = value_at(spec, full)
    if full == CHECKPOINT and not is_searched(domain):
        domain = Choices(choices=arms(spec)) if is_compared(spec) else arms(spec)[0]
    if not is_searched(domain):
        same = holds(Choices(choices=(domain,)), value)
        return "" if same else f"{full} is fixed at {show(domain)}, not {show(value)}: search it, or leave it out"
    if holds(domain, value):
        return ""
    hint = nearest(value, map(str, domain.choices)) if isinstance(value, str) and isinstance(domain, Choices) else ""
    return f"must be {words(domain)}, as this study searches it, not {show(value)}{hint}"


def _inactive(spec: StudySpec, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the given keys that are searched under a condition, with that condition."""
    conditions = {param.key: param.when for param in search_space(spec) if param.when}
    for key in given:
        if when := conditions.get(str(full_key(spec, key))):
            needed = " and ".join(f"{name} is {' or '.join(map(show, values))}" for name, values in when.items())
            yield key, f"is searched only where {needed}, and here it is not"


def _searched(spec: StudySpec) -> str:
    compared = ["checkpoint"] if is_compared(spec) else []
    return ", ".join([*compared, *(param.name for param in search_space(spec))]) or "nothing"
