"""The tasks as a study file knows them: fields, metrics, and what a task's loss understands. Plain data, no torch.

How a task encodes, trains and predicts stands in `harness.tasks`, under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import InputError, nearest
from harness.stats.classification import CLASSIFICATION
from harness.stats.metric import COSTS, Metric, rank_key

__all__ = ["TASKS", "Field", "FieldKind", "TaskFacts", "facts_of", "facts_with", "find_metric", "metric_named"]

FieldKind = Literal["text", "image", "number", "category", "label", "labels", "tags", "answers", "completion", "boxes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column that a task reads. `target` is what is learned; `many`: any number of columns may stand for it."""

    name: str
    kind: FieldKind
    target: bool = False
    required: bool = True
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What reader, search, records and report need to know of a task.

    The first of `metrics` is the default objective; `loss` names the one by which equal trials are ranked. `recipe`
    holds those training keys that not every loss understands. `lens` is how the report looks at the errors. `inputs`
    are what a row is called in the plural.
    """

    name: str
    inputs: str
    fields: tuple[Field, ...]
    metrics: tuple[Metric, ...]
    loss: str
    recipe: frozenset[str] = frozenset()
    lens: str | None = None

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


_LABEL = Field(name="label", kind="label", target=True)
_CLASS_RECIPE = frozenset({"label_smoothing", "class_weights"})

TASKS: dict[str, TaskFacts] = {
    facts.name: facts
    for facts in (
        TaskFacts(
            name="text-classification",
            inputs="texts",
            fields=(Field(name="text", kind="text"), Field(name="text_pair", kind="text", required=False), _LABEL),
            metrics=CLASSIFICATION,
            loss="log_loss",
            recipe=_CLASS_RECIPE,
            lens="classes",
        ),
        TaskFacts(
            name="image-classification",
            inputs="images",
            fields=(Field(name="image", kind="image"), _LABEL),
            metrics=CLASSIFICATION,
            loss="log_loss",
            recipe=_CLASS_RECIPE,
            lens="classes",
        ),
    )
}


def facts_of(name: str) -> TaskFacts:
    """The facts of the task of that name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"task must be one of {', '.join(TASKS)}, not {name[:60]!r}{nearest(name, TASKS)}")
    return TASKS[name]


def find_metric(name: str) -> Metric | None:
    """The metric or cost of that name, for its title, direction and form: these are the same in all tasks."""
    known = {metric.name: metric for facts in TASKS.values() for metric in facts.metrics} | COSTS
    return known.get(name)


def metric_named(name: str) -> Metric:
    """The metric or cost of that name, for its title, direction and form.

    Raises:
        InputError: no task has it.
    """
    found = find_metric(name)
    if found is None:
        known = dict.fromkeys(name for facts in TASKS.values() for name in facts.objectives)
        raise InputError(f"metric must be one of {', '.join(known)}, not {name[:60]!r}{nearest(name, known)}")
    return found


def facts_with(metric: str) -> TaskFacts:
    """The first task that has a metric of that name; of a cost, the first task."""
    having = (facts for facts in TASKS.values() if any(one.name == metric for one in facts.metrics))
    return next(having, next(iter(TASKS.values())))
