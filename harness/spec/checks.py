"""The rules that span sections of a study: conditions, comparison, task, pruner, sampler and objectives.

A rule returns the keys that it compares, so that the reader can drop a contradiction when one of these keys has a
mistake of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError
from math import inf
from typing import Any

from pydantic import ValidationError

from harness.errors import InputError, nearest
from harness.spec.constraints import parse_constraint
from harness.spec.domains import holds, num_values, words
from harness.spec.first import first_trials, misfits
from harness.spec.mistakes import long_name, show
from harness.spec.params import (
    OPTIONS,
    arms,
    default_of,
    full_key,
    is_compared,
    keys_of,
    search_space,
    searched,
    value_at,
)
from harness.spec.rungs import POPULATION
from harness.spec.schedule import MAX_EVALUATIONS
from harness.spec.space import Choices, Range, is_searched
from harness.spec.study import StudySpec
from harness.spec.study.pruners import PRUNERS
from harness.spec.tasks import RECIPE, facts_of
from harness.spec.yamltree import KeyPath
from harness.stats.metric import COSTS

__all__ = ["Contradiction", "contradictions"]

MAX_GRID = 10_000
#: Steps of preprocessing after which a word may be gone.
_WITHOUT_WORDS = ("strip_punctuation", "remove_stop_words")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A rule that the study breaks. `keys` are the keys that disagree; the message belongs to the first."""

    message: str
    keys: tuple[KeyPath, ...]


def contradictions(spec: StudySpec) -> list[Contradiction]:
    """Returns all contradictions of a well-formed study."""
    rules = (
        _conditions,
        _space,
        _data,
        _precision,
        _layout,
        _words,
        _task,
        _options,
        _trials,
        _search,
        _first,
        _constraints,
        _evaluations,
        _patience,
    )
    return [contradiction for rule in rules for contradiction in rule(spec)]


def _of(message: str, *keys: str) -> Contradiction:
    return Contradiction(message, tuple(tuple(key.split(".")) for key in keys))


def _conditions(spec: StudySpec) -> Iterator[Contradiction]:
    for key, domain in searched(spec).items():
        for condition, values in (domain.when or {}).items():
            wrong = _condition(spec, key, condition, values if isinstance(values, tuple) else (values,))
            if wrong:
                place = (*key.split("."), "when", condition)
                yield Contradiction(wrong, (place, tuple((full_key(spec, condition) or key).split("."))))
        if key == "model.checkpoint" and domain.when:
            yield _of("every trial needs a checkpoint; leave out when", f"{key}.when")


def _condition(spec: StudySpec, key: str, condition: str, values: tuple[Any, ...]) -> str:
    """Returns what is wrong with one `when` of `key`; empty when it can be met."""
    full = full_key(spec, condition)
    if full is None:
        names = [*keys_of(spec), *keys_of(spec).values()]
        return f"unknown key; it must be one of data, model or training{nearest(long_name(condition), names)}"
    domain = value_at(spec, full)
    if full == "model.checkpoint" and is_compared(spec):
        domain = Choices(choices=arms(spec))
    if not is_searched(domain):
        domain = spec.model.checkpoints[0] if full == "model.checkpoint" else domain
        return "" if domain in values else f"{full} is fixed at {show(domain)}, so {key} is never searched"
    wrong = [value for value in values if not holds(domain, value)]
    if wrong or not values:
        return f"{full} is never {show(wrong[0]) if wrong else 'without a value'}; it is {words(domain)}"
    return ""


def _space(spec: StudySpec) -> Iterator[Contradiction]:
    try:
        space = search_space(spec)
    except CycleError as error:
        circle = error.args[1]
        yield _of(f"conditions go round in a circle: {' -> '.join(circle)}", f"{circle[0]}.when", *circle)
        return
    for param in space if spec.search.sampler == "grid" else ():
        count = num_values(param.domain)
        if count > MAX_GRID:
            size = "has no end of values" if count == inf else f"has {count:,} values"
            yield _of(f"{size}, and the grid sampler tries all: give choices, or a step", param.key, "search.sampler")


def _data(spec: StudySpec) -> Iterator[Contradiction]:
    facts = facts_of(spec.task)
    if spec.data.builtin == "digits" and not facts.reads("image"):
        yield _of("builtin: digits needs task: image-classification", "data.builtin", "task")
    fields = {field.name: field for field in facts.fields}
    shorts = [name for name in ("text", "text_pair", "label") if name in spec.data.model_fields_set]
    if shorts and not any(field.short for field in facts.fields):
        message = f"{facts.name} reads {', '.join(fields)}: name their columns in data.columns"
        yield _of(message, f"data.{shorts[0]}", "task")
    if spec.data.label_separator is not None and not (facts.target and facts.target.many):
        yield _of(f"{facts.name} has no use for it: a row has one target; leave it out", "data.label_separator", "task")
    inputs = [field.name for field in facts.fields if not field.target]
    optional = not facts.layouts and not any(fields[name].required for name in inputs)
    if optional and not spec.data.columns.keys() & set(inputs):
        message = f"{facts.name} reads {', '.join(inputs)}: name the columns of one or more of them"
        yield _of(message, "data.columns", "task")
    for name, columns in spec.data.columns.items():
        key = f"data.columns.{name}"
        if name not in fields:
            message = f"{facts.name} reads {', '.join(fields)}, not {show(name)}{nearest(name, fields)}"
            yield _of(message, key, "task")
        elif isinstance(columns, tuple) and not fields[name].many:
            yield _of(f"{name} is one column, not a list of {len(columns)}", key, "task")
        elif (short := fields[name].short) and short in spec.data.model_fields_set:
            yield _of(f"data.{short} names the same column; leave one of them out", key, f"data.{short}")


def _precision(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields precisions of fewer bits than the loss of the task can be computed in."""
    value = spec.training.precision
    few = [one for one in (value.choices if isinstance(value, Choices) else (value,)) if one in ("bf16", "fp16")]
    if few and facts_of(spec.task).only_fp32:
        message = f"the loss of {spec.task} cannot be computed in {few[0]}; use fp32, which auto is here"
        yield _of(message, "training.precision", "task")


def _layout(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields fields that are not those of a layout of the task."""
    facts = facts_of(spec.task)
    if not facts.layouts:
        return
    layouts = list(dict.fromkeys(tuple(layout) for layout in facts.layouts))
    named = {name for name in spec.data.columns if name in {field.name for field in facts.fields}}
    if named and named not in map(set, layouts):
        allowed = "; or ".join(" and ".join(layout) for layout in layouts)
        yield _of(f"{facts.name} reads {allowed}; not {' and '.join(sorted(named))}", "data.columns", "task")


def _words(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields steps that change which words a text has, where each word has a target of its own."""
    facts = facts_of(spec.task)
    if facts.target is None or facts.target.kind != "tags":
        return
    for name, refused in (("preprocess", _WITHOUT_WORDS), ("augment", None)):
        domain = value_at(spec, f"data.{name}")
        listed = domain.choices if isinstance(domain, Choices) else (domain,)
        for step in dict.fromkeys(step for steps in listed for step in steps):
            if refused is None or step in refused:
                message = f"{step} changes which words a text has, and each word has a tag of its own; leave it out"
                yield _of(message, f"data.{name}", "task")


def _task(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields what the task does not have: an objective, or a part of the recipe."""
    facts = facts_of(spec.task)
    for place, name in enumerate(spec.search.objectives):
        if name not in facts.objectives:
            allowed = ", ".join(facts.objectives)
            message = f"must be one of {allowed}, not {show(name)}{nearest(name, facts.objectives)}"
            yield Contradiction(message, (("search", "objectives", place), ("task",)))
    for name in sorted(RECIPE):
        key = f"training.{name}"
        if name not in facts.recipe and value_at(spec, key) != default_of(spec, key):
            yield _of(f"{facts.name} has no use for it; leave it out", key, "task")


def _options(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields options that the task does not have, or values that an option cannot have."""
    facts = facts_of(spec.task)
    for name, domain in spec.task_options.items():
        key = f"{OPTIONS}.{name}"
        if name not in facts.options.model_fields:
            names = ", ".join(facts.options.model_fields) or "none"
            message = f"{facts.name} has no such option ({names}){nearest(name, facts.options.model_fields)}"
            yield _of(message, key, "task")
            continue
        for value in domain.choices if isinstance(domain, Choices) else _ends(domain):
            try:
                facts.options.model_validate({name: value})
            except ValidationError as error:
                yield _of(f"{show(value)}: {error.errors()[0]['msg']}", key, "task")


def _ends(domain: Any) -> tuple[Any, ...]:
    return (domain.low, domain.high) if isinstance(domain, Range) else (domain,)


def _trials(spec: StudySpec) -> Iterator[Contradiction]:
    trials, compared = spec.search.trials, len(arms(spec))
    if trials < compared:
        message = f"must be at least {compared}, one for each compared checkpoint, not {trials}"
        yield _of(message, "search.trials", "model.checkpoint")
    elif trials > compared and not searched(spec):
        message = f"{trials} trials, but nothing is searched: give a key {{low, high}} or a list, or trials: {compared}"
        yield _of(message, "search.trials", "data", "model", "training", OPTIONS)


def _search(spec: StudySpec) -> Iterator[Contradiction]:
    search, pruner, first = spec.search, spec.search.pruner.name, spec.search.objectives[0]
    if PRUNERS[pruner].by_ray and spec.engine.name != "ray":
        message = f"{pruner!r} needs engine: {{name: ray}}, not {spec.engine.name!r} (rungs, asha, hyperband do not)"
        yield _of(message, "search.pruner.name", "engine.name")
    if pruner == "ray-pbt" and spec.confirm is not None:
        message = "'ray-pbt' changes params in mid-training, so a trial is no one configuration that could be confirmed"
        yield _of(f"{message}: set confirm: null", "confirm", "search.pruner.name")
    if pruner != "none" and first in COSTS:
        message = f"pruning looks at the first objective, and {first!r} says nothing of a model's quality; "
        quality = facts_of(spec.task).metrics[0].name
        message += f"put {quality} (or another quality) first, or set search.pruner: {{name: none}}"
        yield _of(message, "search.objectives", "search.pruner.name")
    if search.sampler == "cmaes" and len(search.objectives) > 1:
        message = "'cmaes' knows one objective only; with several: tpe, gp, random, grid, qmc, nsga2"
        yield _of(message, "search.sampler", "search.objectives")


def _first(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields what no trial can have of the params to try first, and a number of trials that is too small for them."""
    if any(True for _ in _space(spec)):
        return
    num_wrong = 0
    for place, given in enumerate(spec.search.first):
        for key, message in misfits(spec, given).items():
            num_wrong += 1
            about = tuple(str(full_key(spec, key) or key).split("."))
            yield Contradiction(message, (("search", "first", place, key), about))
    if num_wrong or not spec.search.first:
        return
    most = max(len(first_trials(spec, arm)) for arm in arms(spec))
    needed = most * len(arms(spec))
    if needed > spec.search.trials:
        each = " for each compared checkpoint" if is_compared(spec) else ""
        message = (
            f"must be at least {needed}, not {spec.search.trials}: the default recipe and search.first need {most}"
        )
        yield _of(f"{message}{each}", "search.trials", "search.first")


def _constraints(spec: StudySpec) -> Iterator[Contradiction]:
    for place, text in enumerate(spec.search.constraints):
        try:
            parse_constraint(text, facts_of(spec.task))
        except InputError as error:
            yield Contradiction(f"{show(text)}: {error}", (("search", "constraints", place), ("task",)))


def _evaluations(spec: StudySpec) -> Iterator[Contradiction]:
    per_epoch, epochs = spec.training.evaluations_per_epoch, spec.training.epochs
    if per_epoch == "auto":
        return
    most = epochs.high if isinstance(epochs, Range) else max(getattr(epochs, "choices", (epochs,)))
    if per_epoch * most > MAX_EVALUATIONS:
        message = f"{per_epoch} in each of {most:g} epochs are more than {MAX_EVALUATIONS} evaluations of a trial"
        yield _of(message, "training.evaluations_per_epoch", "training.epochs")


def _patience(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields why no trial can be ended for lack of a better first objective."""
    if spec.training.patience is None:
        return
    first, facts = spec.search.objectives[0], facts_of(spec.task)
    others = ", ".join(metric.name for metric in facts.metrics if not metric.is_written)
    if first in COSTS:
        message = f"waits for a better first objective, and {first!r} says nothing of a model's quality"
        yield _of(f"{message}; put one of {others} first", "training.patience", "search.objectives")
    elif first in facts.objectives and facts.metric(first).is_written:
        message = f"waits for a better first objective, and {first!r} is only known at the end of a full training"
        yield _of(f"{message}; put one of {others} first", "training.patience", "search.objectives")
    if spec.search.pruner.name == POPULATION:
        message = (
            f"{POPULATION!r} lets a trial go on with the weights of another one, so none may end before the others"
        )
        yield _of(f"{message}; set training.patience: null", "training.patience", "search.pruner.name")
