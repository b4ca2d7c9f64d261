"""The tasks as a study file knows them: fields, metrics, options, and what a task's loss understands. No torch.

How a task encodes, trains and predicts stands in `harness.tasks`, under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.errors import InputError, nearest
from harness.spec.foreign import import_object, is_foreign, is_trusted
from harness.spec.space import Frozen
from harness.stats.classification import CLASSIFICATION
from harness.stats.metric import COSTS, Metric, rank_key
from harness.stats.regression import REGRESSION

__all__ = [
    "LABEL",
    "NUMBER",
    "TASKS",
    "TEXT",
    "TEXT_PAIR",
    "Field",
    "FieldKind",
    "TaskFacts",
    "facts_of",
    "facts_with",
    "find_metric",
    "metric_named",
    "remember",
]

FieldKind = Literal["text", "image", "label", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column that a task reads; `data.columns` gives its name in the table.

    `target` is what is learned. `short` is the key of `data` that names the column too: text, text_pair or label.
    """

    name: str
    kind: FieldKind
    target: bool = False
    required: bool = True
    short: Literal["text", "text_pair", "label"] | None = None

    @property
    def key(self) -> str:
        """The key of the study file that names the column."""
        return f"data.{self.short}" if self.short else f"data.columns.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What reader, search, records and report need to know of a task.

    `inputs` are what a row is called in the plural. The first of `metrics` is the default objective; `loss` names the
    one by which equal trials are ranked. `recipe` holds those training keys that not every loss understands. `options`
    are keys of the task's own, under `task_options`, with their types and defaults. `lens` is how the report looks at
    the errors: a name of `harness.report.lenses`. `pipeline` is the transformers pipeline that runs its exports.
    """

    name: str
    inputs: str
    fields: tuple[Field, ...]
    metrics: tuple[Metric, ...]
    loss: str
    recipe: frozenset[str] = frozenset()
    options: type[Frozen] = Frozen
    lens: str | None = None
    pipeline: str | None = None

    def __post_init__(self) -> None:
        if len([field for field in self.fields if field.target]) > 1:
            raise ValueError(f"task '{self.name}' has several targets; give one field target=True")
        if any(field.kind == "label" and not field.target for field in self.fields):
            raise ValueError(f"task '{self.name}' has a field of kind label that is no target")
        if self.loss not in {metric.name for metric in self.metrics}:
            raise ValueError(f"task '{self.name}': loss {self.loss!r} is none of its metrics")

    @property
    def target(self) -> Field | None:
        """The field that is learned; None for a task that learns its inputs."""
        return next((field for field in self.fields if field.target), None)

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            InputError: there is none.
        """
        known = {field.name: field for field in self.fields}
        if name not in known:
            allowed = f"it reads {', '.join(known)}{nearest(name, known)}"
            raise InputError(f"{self.name} has no field {name[:60]!r}; {allowed}")
        return known[name]

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names that `search.objectives` may hold: the task's metrics, then the costs."""
        return (*(metric.name for metric in self.metrics), *COSTS)

    def metric(self, name: str) -> Metric:
        """The metric of the task, or the cost, of that name.

        Raises:
            InputError: there is none.
        """
        known = {metric.name: metric for metric in self.metrics} | COSTS
        if name not in known:
            allowed = f"allowed: {', '.join(known)}{nearest(name, known)}"
            raise InputError(f"metric {name[:60]!r} is unknown to {self.name}; {allowed}")
        return known[name]

    def judged_by(self, objectives: Sequence[str]) -> Metric:
        """What models are compared by: the first objective that is no cost, else the task's first metric."""
        asked = (self.metric(name) for name in objectives)
        return next((metric for metric in asked if not metric.is_cost), self.metrics[0])

    def rank_key(self, metrics: Mapping[str, float], objective: str) -> tuple[float, float]:
        """Sorts the better trial first: by the objective, and of equals by the loss."""
        return rank_key(metrics, self.metric(objective), self.metric(self.loss))

    def reads(self, kind: FieldKind) -> bool:
        """True when a field of that kind is required."""
        return any(field.kind == kind and field.required for field in self.fields)


TEXT = Field(name="text", kind="text", short="text")
TEXT_PAIR = Field(name="text_pair", kind="text", required=False, short="text_pair")
LABEL = Field(name="label", kind="label", target=True, short="label")
NUMBER = Field(name="number", kind="number", target=True, short="label")
_CLASS_RECIPE = frozenset({"label_smoothing", "class_weights"})

#: The tasks that are built in, by name.
TASKS: dict[str, TaskFacts] = {
    facts.name: facts
    for facts in (
        TaskFacts(
            name="text-classification",
            inputs="texts",
            fields=(TEXT, TEXT_PAIR, LABEL),
            metrics=CLASSIFICATION,
            loss="log_loss",
            recipe=_CLASS_RECIPE,
            lens="classes",
            pipeline="text-classification",
        ),
        TaskFacts(
            name="text-regression",
            inputs="texts",
            fields=(TEXT, TEXT_PAIR, NUMBER),
            metrics=REGRESSION,
            loss="rmse",
            lens="numbers",
            pipeline="text-classification",
        ),
        TaskFacts(
            name="image-classification",
            inputs="images",
            fields=(Field(name="image", kind="image"), LABEL),
            metrics=CLASSIFICATION,
            loss="log_loss",
            recipe=_CLASS_RECIPE,
            lens="classes",
            pipeline="image-classification",
        ),
    )
}
#: The facts of users' tasks that this process has met: of the task itself, or the copy that a run's manifest holds.
_FOREIGN: dict[str, TaskFacts] = {}


def facts_of(name: str) -> TaskFacts:
    """The facts of the task of that name; those of a user's own task are its own where it may be imported.

    Raises:
        InputError: there is none, or a user's task cannot be imported, or is no task.
    """
    if name in TASKS:
        return TASKS[name]
    if is_foreign(name) and (is_trusted(name) or name not in _FOREIGN):
        facts = getattr(import_object(name), "facts", None)
        if not isinstance(facts, TaskFacts):
            raise InputError(f"{name!r} is no task: it has no attribute facts, a harness.spec.tasks.TaskFacts")
        remember(replace(facts, name=name))
    if name not in _FOREIGN:
        allowed = f"must be one of {', '.join(TASKS)}, or your own as my_package.my_module:MyTask"
        raise InputError(f"task {allowed}, not {name[:60]!r}{nearest(name, TASKS)}")
    return _FOREIGN[name]


def remember(facts: TaskFacts) -> None:
    """Keeps the facts of a user's task for `facts_of`."""
    _FOREIGN[facts.name] = facts


def _all_facts() -> list[TaskFacts]:
    return [*TASKS.values(), *_FOREIGN.values()]


def find_metric(name: str) -> Metric | None:
    """The metric or cost of that name, for its title, direction and form: these are the same in all tasks."""
    return next((metric for facts in _all_facts() for metric in facts.metrics if metric.name == name), COSTS.get(name))


def metric_named(name: str) -> Metric:
    """The metric or cost of that name, for its title, direction and form.

    Raises:
        InputError: no task has it.
    """
    metric = find_metric(name)
    if metric is None:
        known = dict.fromkeys(name for facts in _all_facts() for name in facts.objectives)
        raise InputError(f"metric must be one of {', '.join(known)}, not {name[:60]!r}{nearest(name, known)}")
    return metric


def facts_with(metric: str) -> TaskFacts:
    """The first task that has a metric of that name; of a cost, the first task."""
    having = (facts for facts in _all_facts() if any(known.name == metric for known in facts.metrics))
    return next(having, next(iter(TASKS.values())))
