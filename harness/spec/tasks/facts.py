"""What the reader of studies, the search, the records and the report know of a task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from harness.errors import InputError, nearest
from harness.spec.space import Frozen
from harness.spec.tasks.fields import COLUMNS, NOUNS, TEXTS, Field, FieldKind
from harness.stats.metric import COSTS, Metric, rank_key

__all__ = ["LENSES", "TaskFacts"]

#: How the report may look at the errors of a task: the modules of `harness.report.lenses`.
LENSES = ("classes", "labels", "numbers", "spans", "answers", "completions", "clicks", "boxes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """The facts of a task that reader, search, records and report need.

    `inputs` is the plural word for its rows. The first of `metrics` is the default objective; `loss` names the metric
    that ranks equal trials. `recipe` holds the training keys that only some losses have. `options` are the task's own
    keys, under `task_options`, with their types and defaults. `lens` is how the report shows the errors: a name of
    `harness.report.lenses`. `pipeline` is the Hub's tag of its exports, mostly that of the transformers pipeline that
    runs them. `layouts` are for a task whose rows come in several forms: for each the columns of its fields by their
    usual names, the first that a table has being used where the study names none. `only_fp32` says that the loss cannot
    be computed in fewer bits.
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
    layouts: tuple[Mapping[str, str | tuple[str, ...]], ...] = ()
    only_fp32: bool = False

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names) or "row" in names:
            raise ValueError(f"task '{self.name}': fields need names of their own, and none may be called row")
        if unknown := [field.kind for field in self.fields if field.kind not in get_args(FieldKind)]:
            raise ValueError(
                f"task '{self.name}': {unknown[0]!r} is no kind of field ({', '.join(get_args(FieldKind))})"
            )
        if self.lens is not None and self.lens not in LENSES:
            raise ValueError(f"task '{self.name}': {self.lens!r} is no lens ({', '.join(LENSES)})")
        if len([field for field in self.fields if field.unit]) > 1:
            raise ValueError(f"task '{self.name}': two fields are the unit of its rows; give it to one of them")
        if len([field for field in self.fields if field.target]) > 1:
            raise ValueError(f"task '{self.name}' has several targets; give one field target=True")
        if any(field.kind == "label" and not field.target for field in self.fields):
            raise ValueError(f"task '{self.name}' has a field of kind label that is no target")
        for name, option in self.options.model_fields.items():
            if option.is_required() or not isinstance(option.default, (str, int, float, bool, type(None))):
                raise ValueError(f"task '{self.name}': option '{name}' needs a default: a text, number, bool or None")
        metrics = {metric.name: metric for metric in self.metrics}
        if len(metrics) < len(self.metrics):
            raise ValueError(f"task '{self.name}': metrics need names of their own")
        if no_names := [name for name in (*names, *metrics, *self.options.model_fields) if not name.isidentifier()]:
            raise ValueError(f"task '{self.name}': {no_names[0]!r} is no name; use letters, digits and underscores")
        shorts = [field.short for field in self.fields if field.short]
        if len(set(shorts)) < len(shorts):
            raise ValueError(f"task '{self.name}': two fields have the same short; give it to one of them")
        if self.loss not in metrics:
            raise ValueError(f"task '{self.name}': loss {self.loss!r} is none of its metrics")
        if metrics[self.loss].maximize:
            raise ValueError(
                f"task '{self.name}': loss {self.loss!r} has maximize=True; name a metric that is minimised"
            )

    @property
    def target(self) -> Field | None:
        """The field that is learned; None for a task that learns its inputs."""
        return next((field for field in self.fields if field.target), None)

    @property
    def unit(self) -> Field | None:
        """The field whose equal values make rows one unit; None where every row is its own."""
        return next((field for field in self.fields if field.unit), None)

    @property
    def nouns(self) -> tuple[str, str]:
        """What a name in the targets is called, and several of them; empty where targets have no names."""
        return NOUNS.get(self.target.kind, ("", "")) if self.target else ("", "")

    @property
    def texts(self) -> tuple[str, ...]:
        """The names of the fields of texts, or of their words, that a model reads, in their order."""
        return tuple(field.name for field in self.fields if field.kind in TEXTS and not field.target)

    def texts_in(self, columns: Collection[str]) -> tuple[str, ...]:
        """The names of the fields of texts for which a table has a column; `columns` are the names of its fields."""
        return tuple(name for name in self.texts if name in columns)

    @property
    def is_tabular(self) -> bool:
        """True for a task that reads columns of a table, whatever they hold, and not one text or image a row."""
        return any(field.kind in COLUMNS for field in self.fields)

    def field(self, name: str) -> Field:
        """Returns the field `name`.

        Raises:
            InputError: the task has no such field.
        """
        fields = {field.name: field for field in self.fields}
        if name not in fields:
            allowed = f"it reads {', '.join(fields)}{nearest(name, fields)}"
            raise InputError(f"{self.name} has no field {name[:60]!r}; {allowed}")
        return fields[name]

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names that `search.objectives` may hold: the task's metrics, then the costs."""
        return (*(metric.name for metric in self.metrics), *COSTS)

    def metric(self, name: str) -> Metric:
        """Returns the metric of the task, or the cost, `name`.

        Raises:
            InputError: the task has no such metric, and there is no such cost.
        """
        metrics = {metric.name: metric for metric in self.metrics} | COSTS
        if name not in metrics:
            allowed = f"allowed: {', '.join(metrics)}{nearest(name, metrics)}"
            raise InputError(f"metric {name[:60]!r} is unknown to {self.name}; {allowed}")
        return metrics[name]

    def scored_by(self, objectives: Sequence[str]) -> tuple[Metric, ...]:
        """Returns the objectives that are no cost; the first metric where all are costs."""
        metrics = tuple(self.metric(name) for name in objectives)
        return tuple(metric for metric in metrics if not metric.is_cost) or self.metrics[:1]

    def judged_by(self, objectives: Sequence[str]) -> Metric:
        """Returns the metric that compares models: the first objective that is no cost, else the first metric."""
        return self.scored_by(objectives)[0]

    def checked_by(self, objectives: Sequence[str]) -> Metric:
        """Returns the metric that proves an export: that which compares models, but the loss for one of written text.

        Text may differ where two words were as probable as each other but for rounding.
        """
        judge = self.judged_by(objectives)
        return self.metric(self.loss) if judge.is_written else judge

    def judged_early(self, objectives: Sequence[str]) -> Metric:
        """Returns the metric that judges a trial before its end: the first objective, but the loss for written text.

        Text is written at the end of a training alone.
        """
        first = self.metric(objectives[0])
        return self.metric(self.loss) if first.is_written else first

    def rank_key(self, metrics: Mapping[str, float], objective: str) -> tuple[float, float]:
        """Returns a key that sorts the better trial first: by the objective, and among equals by the loss."""
        return rank_key(metrics, self.metric(objective), self.metric(self.loss))

    def reads(self, kind: FieldKind) -> bool:
        """True when a field of that kind is required."""
        return any(field.kind == kind and field.required for field in self.fields)
