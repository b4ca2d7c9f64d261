"""The searched parameters of a study: their domains, their order, their conditions and the default recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from math import log
from typing import Any, TypeGuard

from pydantic import BaseModel

from harness.spec.domains import Domain, num_values, values_of
from harness.spec.space import Choices, Range, Scalar, is_searched
from harness.spec.study import DataSpec, ModelSpec, StudySpec, TrainingSpec
from harness.spec.tasks import facts_of
from harness.spec.trial import ParamValue

__all__ = [
    "KEYS",
    "OPTIONS",
    "Param",
    "arm_of",
    "arms",
    "default_number",
    "default_numbers",
    "default_of",
    "default_params",
    "default_value",
    "full_key",
    "is_compared",
    "keeps_default",
    "keys_of",
    "may_choose_precision",
    "moved_defaults",
    "search_space",
    "searched",
    "value_at",
]

SECTIONS: dict[str, type[BaseModel]] = {"data": DataSpec, "model": ModelSpec, "training": TrainingSpec}
#: The keys that every trial has, by their last part. A task adds its own: `keys_of`.
KEYS = {name: f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields}
OPTIONS = "task_options"
USUAL_DROPOUT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One searched parameter. `name` is the last part of `key`, which no two searchable keys have in common.

    `when` holds the values that other params, earlier in the space, must have; conditions on fixed keys are left out.
    """

    key: str
    name: str
    domain: Domain
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def active(self, params: Mapping[str, ParamValue]) -> bool:
        """True when the params drawn so far (the compared checkpoint among them) meet the conditions of this one."""
        return all(name in params and params[name] in values for name, values in self.when.items())


def keys_of(spec: StudySpec) -> dict[str, str]:
    """Returns the keys of a trial of the study, by their last part."""
    return KEYS | {name: f"{OPTIONS}.{name}" for name in facts_of(spec.task).options.model_fields}


def full_key(spec: StudySpec, key: str) -> str | None:
    """Returns `training.schedule` for `training.schedule` and for `schedule`; None for a key that no trial has."""
    keys = keys_of(spec)
    return key if key in keys.values() else keys.get(key)


def searched(spec: StudySpec) -> dict[str, Domain]:
    """Returns the domain of every searched key, in the schema's order."""
    values = ((key, value_at(spec, key)) for key in keys_of(spec).values())
    return {key: value for key, value in values if is_searched(value)}


def search_space(spec: StudySpec) -> tuple[Param, ...]:
    """Returns the searched parameters, each after those that its `when` names.

    Raises:
        graphlib.CycleError: conditions form a circle (the reader refuses such a file).
    """
    domains, keys = searched(spec), keys_of(spec)
    params = {key: _param(spec, key, domain, {*domains, *_compared(spec)}) for key, domain in domains.items()}
    parents = {key: [keys[name] for name in param.when if keys[name] in params] for key, param in params.items()}
    return tuple(params[key] for key in TopologicalSorter(parents).static_order())


def _param(spec: StudySpec, key: str, domain: Domain, varied: set[str]) -> Param:
    conditions = {full_key(spec, name): allowed for name, allowed in (domain.when or {}).items()}
    when = {
        _name(condition): allowed if isinstance(allowed, tuple) else (allowed,)
        for condition, allowed in conditions.items()
        if condition in varied
    }
    return Param(key=key, name=_name(key), domain=domain, when=when)


def _name(key: str | None) -> str:
    return str(key).rpartition(".")[2]


def value_at(spec: StudySpec, key: str) -> Any:
    """Returns the study's value of a key such as `training.epochs`: a literal, a `Range` or `Choices`."""
    section, _, name = key.partition(".")
    if section == OPTIONS:
        return spec.task_options.get(name, default_of(spec, key))
    return getattr(getattr(spec, section), name)


def default_of(spec: StudySpec, key: str) -> Any:
    """Returns the default of a key in the schema, or in the options of the study's task."""
    section, _, name = key.partition(".")
    model = facts_of(spec.task).options if section == OPTIONS else SECTIONS[section]
    return model.model_fields[name].default


def is_compared(spec: StudySpec) -> bool:
    """True when the study gives equal trials to each of several checkpoints."""
    return isinstance(spec.model.checkpoint, tuple) and len(spec.model.checkpoint) > 1


def arm_of(spec: StudySpec, params: Mapping[str, ParamValue]) -> str | None:
    """Returns the compared checkpoint of a trial with `params`; None where the study compares none."""
    return str(params["checkpoint"]) if is_compared(spec) else None


def may_choose_precision(spec: StudySpec) -> bool:
    """True when a trial of the study may have `precision: auto`."""
    value = spec.training.precision
    if facts_of(spec.task).only_fp32:
        return False
    return "auto" in (value.choices if isinstance(value, Choices) else (value,))


def _compared(spec: StudySpec) -> set[str]:
    return {"model.checkpoint"} if is_compared(spec) else set()


def arms(spec: StudySpec) -> tuple[str, ...]:
    """Returns the compared checkpoints, which trials get in turn; a single one when nothing is compared."""
    return spec.model.checkpoints if is_compared(spec) else spec.model.checkpoints[:1]


def default_numbers(spec: StudySpec) -> range:
    """Returns the numbers of the default recipes: trial 0, or one for each compared checkpoint."""
    return range(len(arms(spec)))


def default_number(spec: StudySpec, params: Mapping[str, ParamValue]) -> int:
    """Returns the number of the default recipe that a trial with `params` is compared with: that of its checkpoint."""
    names = arms(spec)
    return names.index(str(params["checkpoint"])) if params.get("checkpoint") in names else 0


def keeps_default(spec: StudySpec) -> bool:
    """Whether rungs never prune the default recipe, because a confirmed winner is compared with it.

    With several checkpoints only the winner's default recipe is needed, and the winner is known after the search only.
    """
    return spec.confirm is not None and not is_compared(spec)


def default_params(spec: StudySpec, arm: str | None = None) -> dict[str, ParamValue]:
    """Returns the default recipe within the space: each default, or the nearest value that the study allows."""
    params: dict[str, ParamValue] = {"checkpoint": arm or arms(spec)[0]} if is_compared(spec) else {}
    for param in search_space(spec):
        if param.active(params):
            params[param.name] = default_value(spec, param)
    if is_compared(spec):
        del params["checkpoint"]
    return params


def default_value(spec: StudySpec, param: Param) -> ParamValue:
    """Returns the value of a param in the default recipe: its default, or the nearest value that the study allows."""
    value: ParamValue = _nearest(default_of(spec, param.key), param)
    return value


def moved_defaults(spec: StudySpec, arm: str | None = None) -> dict[str, tuple[float, float]]:
    """Returns the default and the value of the default recipe for each number whose default the space excludes.

    A learning rate and a batch size that the study fixes are among them: the default recipe is known by these two.
    """
    params, moved = default_params(spec, arm), {}
    for name in ("learning_rate", "batch_size"):
        fixed, default = value_at(spec, KEYS[name]), default_of(spec, KEYS[name])
        if not is_searched(fixed) and fixed != default:
            moved[name] = (default, fixed)
    for param in search_space(spec):
        default, value = default_of(spec, param.key), params.get(param.name)
        if _is_number(default) and _is_number(value) and value != default:
            moved[param.name] = (default, value)
    return moved


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _nearest(default: Any, param: Param) -> Any:
    if param.name == "dropout":
        default = USUAL_DROPOUT  # null is the checkpoint's own dropout, which is this value in nearly all of them
    domain = param.domain
    if isinstance(domain, Range):
        return _nearest_in_range(default, domain)
    numbers = [choice for choice in domain.choices if isinstance(choice, (int, float))]
    if default in domain.choices or not numbers:
        return default if default in domain.choices else domain.choices[0]
    return max(numbers) if default is None else min(numbers, key=lambda number: _distance(number, default))


def _nearest_in_range(default: Any, domain: Range[Any]) -> Any:
    """Returns the value of a range that is nearest to a default.

    A default None means "all" (layers, rows), so it gives the upper end; a word means "none" and gives the lower end.
    """
    if not isinstance(default, (int, float)):
        return domain.high if default is None else domain.low
    if domain.step is None or num_values(domain) > 10_000:
        return min(max(default, domain.low), domain.high)
    return min(values_of(domain), key=lambda value: abs(value - default))


def _distance(a: float, b: float) -> float:
    """Compares by ratio where there is one: from 5e-5, 1e-4 is nearer than 1e-5."""
    return abs(log(a / b)) if a > 0 and b > 0 else abs(a - b)
