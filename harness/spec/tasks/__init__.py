"""The facts of each task: fields, metrics, options, and the training keys that its loss has.

How a task encodes, trains and predicts is in `harness.tasks`, under the same name. torch is not imported here.
"""

from __future__ import annotations

from dataclasses import replace

from harness.errors import InputError, nearest
from harness.spec.foreign import import_object, is_foreign, is_trusted
from harness.spec.tasks.built_in import RECIPE, TASKS
from harness.spec.tasks.facts import LENSES, TaskFacts
from harness.spec.tasks.fields import (
    ANSWERS,
    BOXES,
    CATEGORIES,
    CLICK,
    COMPLETION,
    CONTEXT,
    DOCUMENT,
    IMAGE,
    ITEM,
    LABEL,
    LABELS,
    MESSAGES,
    NOTE,
    NOUNS,
    NUMBER,
    NUMBERS,
    PROMPT,
    QUESTION,
    SOURCE,
    TAGS,
    TARGET,
    TEXT,
    TEXT_PAIR,
    USER,
    WORDS,
    Field,
    FieldKind,
)
from harness.stats.metric import COSTS, Metric

__all__ = [
    "ANSWERS",
    "BOXES",
    "CATEGORIES",
    "CLICK",
    "COMPLETION",
    "CONTEXT",
    "DOCUMENT",
    "IMAGE",
    "ITEM",
    "LABEL",
    "LABELS",
    "LENSES",
    "MESSAGES",
    "NOTE",
    "NOUNS",
    "NUMBER",
    "NUMBERS",
    "PROMPT",
    "QUESTION",
    "RECIPE",
    "SOURCE",
    "TAGS",
    "TARGET",
    "TASKS",
    "TEXT",
    "TEXT_PAIR",
    "USER",
    "WORDS",
    "Field",
    "FieldKind",
    "TaskFacts",
    "facts_of",
    "find_metric",
    "metric_named",
    "remember",
]

#: The facts of users' tasks in this process: the task's own, or the copy in a run's manifest.
_FOREIGN: dict[str, TaskFacts] = {}


def facts_of(name: str) -> TaskFacts:
    """Returns the facts of the task `name`; those of a user's own task are read from it where it may be imported.

    Raises:
        InputError: there is no such task, or a user's task cannot be imported or has no facts.
    """
    if name in TASKS:
        return TASKS[name]
    if is_foreign(name) and (is_trusted(name) or name not in _FOREIGN):
        task = import_object(name)
        facts, most = getattr(task, "facts", None), getattr(task, "max_texts", None)
        if not isinstance(facts, TaskFacts):
            raise InputError(f"{name!r} is no task: it has no attribute facts, a harness.spec.tasks.TaskFacts")
        if most is not None and len(facts.texts) > most:
            listed = ", ".join(facts.texts)
            remedy = "join columns, or give the task an encode, a predict_inputs and a max_texts of its own"
            raise InputError(f"{name!r} has {len(facts.texts)} texts ({listed}), and encodes at most {most}; {remedy}")
        for metric in facts.metrics:
            if not metric.has_formula:
                formula = "give row_stats and of_sums, or value"
                raise InputError(f"{name!r}: its metric '{metric.name}' has no formula; {formula}")
        remember(replace(facts, name=name))
    if name not in _FOREIGN:
        allowed = f"must be one of {', '.join(TASKS)}, or your own as my_package.my_module:MyTask"
        raise InputError(f"task {allowed}, not {name[:60]!r}{nearest(name, TASKS)}")
    return _FOREIGN[name]


def remember(facts: TaskFacts) -> None:
    """Keeps the facts of a user's task for `facts_of`.

    Raises:
        InputError: a metric has the name of another task's metric and another fact, or that of a built-in task and
            another formula.
    """
    for metric in facts.metrics:
        built_in = [other for task in TASKS.values() for other in task.metrics if other.name == metric.name]
        for task in _all_facts():
            if task.name == facts.name or metric.name not in task.objectives:
                continue
            is_other = task.name in TASKS and metric.has_formula and built_in and metric not in built_in
            if is_other or not metric.is_shown_as(task.metric(metric.name)):
                what = f"its metric '{metric.name}' is not that of {task.name}"
                raise InputError(f"{facts.name!r}: {what}; choose another name for it")
    _FOREIGN[facts.name] = facts


def _all_facts() -> list[TaskFacts]:
    return [*TASKS.values(), *_FOREIGN.values()]


def find_metric(name: str) -> Metric | None:
    """Returns the metric or cost `name`, or None; its title, direction and form are the same in all tasks."""
    return next((metric for facts in _all_facts() for metric in facts.metrics if metric.name == name), COSTS.get(name))


def metric_named(name: str) -> Metric:
    """Returns the metric or cost `name`; its title, direction and form are the same in all tasks.

    Raises:
        InputError: no task has such a metric, and there is no such cost.
    """
    metric = find_metric(name)
    if metric is None:
        names = dict.fromkeys(name for facts in _all_facts() for name in facts.objectives)
        raise InputError(f"metric must be one of {', '.join(names)}, not {name[:60]!r}{nearest(name, names)}")
    return metric
