"""Makes the full configuration of a trial from its study, and compares two studies.

It also re-exports the public names of `domains`, `params` and `schedule`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel

from harness.errors import InputError
from harness.spec.domains import Domain, num_values, values_of
from harness.spec.params import (
    OPTIONS,
    Param,
    arm_of,
    arms,
    default_number,
    default_numbers,
    default_of,
    default_params,
    is_compared,
    keeps_default,
    keys_of,
    may_choose_precision,
    moved_defaults,
    search_space,
    value_at,
)
from harness.spec.rungs import TrialRungs, rung_fractions, trial_rungs
from harness.spec.schedule import evaluation_points, validation_rows
from harness.spec.space import Choices, Range, is_searched
from harness.spec.steps import num_examples, total_steps
from harness.spec.study import StudySpec, split_checkpoint
from harness.spec.study.adapters import alpha_of
from harness.spec.tasks import facts_of
from harness.spec.trial import ParamValue, TrialConfig, TrialData, TrialModel, TrialTraining

__all__ = [
    "Domain",
    "Param",
    "arm_of",
    "arms",
    "default_config",
    "default_number",
    "default_numbers",
    "default_params",
    "differences",
    "evaluation_points",
    "is_compared",
    "keeps_default",
    "may_choose_precision",
    "models_of",
    "moved_defaults",
    "num_values",
    "resolve",
    "rung_fractions",
    "search_space",
    "validation_rows",
    "values_of",
]

Kind = Literal["search", "confirm", "rerun", "bench"]
FREE_TO_CHANGE = ("search.trials", "budget", "confirm", "engine", "loggers")


def resolve(
    spec: StudySpec,
    *,
    number: int,
    params: Mapping[str, ParamValue],
    kind: Kind = "search",
    of: int | None = None,
    seed: int | None = None,
    arm: str | None = None,
    num_train_rows: int | None = None,
) -> TrialConfig:
    """Returns one trial: the study's fixed values and `params`, without the params that are not active.

    The compared checkpoint is `arm`, else that of `params` (a trial run again), else the first. With `num_train_rows`,
    the rows of the training split, the trial has its own rungs, else those of the study.

    Raises:
        InputError: `params` lacks an active parameter, or has one that the study does not search.
    """
    space = search_space(spec)
    chosen: dict[str, ParamValue] = {}
    if is_compared(spec):
        chosen["checkpoint"] = arm or params.get("checkpoint") or arms(spec)[0]
    _refuse_unknown(params, {param.name for param in space} | set(chosen))
    for param in space:
        if param.active(chosen):
            if param.name not in params:
                raise InputError(f"trial {number} has no value for '{param.key}', which the study searches")
            chosen[param.name] = params[param.name]
    values = {key: chosen.get(name, _fixed(spec, key)) for name, key in keys_of(spec).items()}
    return _config(spec, values, num_train_rows, number=number, kind=kind, of=of, params=chosen, seed=seed)


def default_config(spec: StudySpec, kind: Kind = "search", arm: str | None = None) -> TrialConfig:
    """Returns the default recipe with the checkpoint `arm` (None: the study's first), with the study's rungs."""
    arm = arms(spec)[0] if arm is None else arm
    return resolve(spec, number=0, params=default_params(spec, arm), kind=kind, arm=arm)


def models_of(spec: StudySpec) -> tuple[TrialConfig, ...]:
    """Returns a trial of each checkpoint of the study; where layers are searched, another one with the fewest."""
    configs = [
        _with_checkpoint(default_config(spec, arm=name if is_compared(spec) else None), name)
        for name in spec.model.checkpoints
    ]
    domain = spec.model.layers
    if isinstance(domain, (Range, Choices)):
        parts = [domain.low] if isinstance(domain, Range) else domain.choices
        numbers = [int(part) for part in parts if part is not None]
        fewest = [config.model.model_copy(update={"layers": min(numbers)}) for config in configs if numbers]
        configs += [config.model_copy(update={"model": model}) for config, model in zip(configs, fewest, strict=False)]
    return tuple(config for at, config in enumerate(configs) if config not in configs[:at])


def _with_checkpoint(config: TrialConfig, name: str) -> TrialConfig:
    checkpoint, layers = split_checkpoint(name)
    changed: dict[str, Any] = {"checkpoint": checkpoint} | ({} if layers is None else {"layers": layers})
    return config.model_copy(update={"model": config.model.model_copy(update=changed)})


def _refuse_unknown(params: Mapping[str, ParamValue], names: set[str]) -> None:
    unknown = sorted(set(params) - names)
    if unknown:
        raise InputError(f"the study does not search {', '.join(unknown)}; it searches {', '.join(sorted(names))}")


def _fixed(spec: StudySpec, key: str) -> Any:
    """Returns the study's literal; the schema's default for a searched key that is not active."""
    value = value_at(spec, key)
    if key == "model.checkpoint":
        return spec.model.checkpoints[0]
    return default_of(spec, key) if is_searched(value) else value


def _config(
    spec: StudySpec, values: Mapping[str, Any], num_train_rows: int | None, *, seed: int | None, **fields: Any
) -> TrialConfig:
    checkpoint, layers = split_checkpoint(values["model.checkpoint"])
    model = _section("model", TrialModel, values) | {"checkpoint": checkpoint}
    if checkpoint != "scratch":
        model["architecture"] = None
    if layers is not None:
        model["layers"] = layers
    model["alpha"] = alpha_of(model["alpha"], model["rank"])
    training = _section("training", TrialTraining, values)
    if seed is not None:
        training["seed"] = seed
    if training["precision"] == "auto" and facts_of(spec.task).only_fp32:
        training["precision"] = "fp32"
    data, recipe = TrialData(**_section("data", TrialData, values)), TrialTraining(**training)
    rungs = rung_fractions(spec) if num_train_rows is None else _rungs(spec, data, recipe, num_train_rows)
    points = evaluation_points(spec, recipe.epochs, rungs)
    return TrialConfig(
        task=spec.task,
        task_options={name: values[key] for name, key in keys_of(spec).items() if key == f"{OPTIONS}.{name}"},
        data=data,
        model=TrialModel(**model),
        training=recipe,
        evaluate_at=points,
        validation_rows=validation_rows(spec, points),
        rungs=rungs,
        objectives=spec.search.objectives,
        data_on_device=spec.engine.data_on_device,
        **fields,
    )


def _rungs(spec: StudySpec, data: TrialData, recipe: TrialTraining, num_train_rows: int) -> TrialRungs:
    examples = num_examples(num_train_rows, data.train_rows, len(data.augment))
    return trial_rungs(spec, total_steps(examples, recipe.batch_size, recipe.epochs), recipe.warmup_fraction)


def _section(section: str, model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[f"{section}.{name}"] for name in model.model_fields}


def differences(old: StudySpec, new: StudySpec, free: Sequence[str] = ()) -> list[str]:
    """Returns a line for each difference (`training.epochs: 3 -> 4`) in keys that may not change on continuing.

    `free` are further keys that may change.
    """
    return [
        f"{key}: {_as_text(before)} -> {_as_text(after)}"
        for key, before, after in _pairs(old, new)
        if before != after and not any(f"{key}.".startswith(f"{name}.") for name in (*FREE_TO_CHANGE, *free))
    ]


def _pairs(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields each key with its two values; goes into sections, but not into searched values."""
    if type(old) is not type(new) or not isinstance(old, BaseModel) or is_searched(old):
        yield key, old, new
        return
    for name, field in type(old).model_fields.items():
        part = field.alias or name
        yield from _pairs(getattr(old, name), getattr(new, name), f"{key}.{part}" if key else part)


def _as_text(value: Any) -> str:
    """Returns a value as a study file would have it."""
    plain = value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{key}: {_as_text(part)}" for key, part in plain.items()) + "}"
    if isinstance(plain, (list, tuple)):
        return "[" + ", ".join(_as_text(part) for part in plain) + "]"
    return json.dumps(plain) if plain is None or isinstance(plain, bool) else str(plain)
