"""The facts of each task: fields, metrics, options, and the training keys that its loss has.

How a task encodes, trains and predicts is in `harness.tasks`, under the same name. torch is not imported here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.errors import InputError, nearest
from harness.spec.foreign import import_object, is_foreign, is_trusted
from harness.spec.space import Frozen
from harness.spec.task_options import AnswerOptions, CompletionOptions, LabelSetOptions, WritingOptions
from harness.stats.answers import ANSWERS as ANSWER_METRICS
from harness.stats.classification import CLASSIFICATION
from harness.stats.completions import COMPLETIONS, TRANSLATIONS
from harness.stats.label_sets import LABEL_SETS
from harness.stats.metric import COSTS, Metric, rank_key
from harness.stats.regression import REGRESSION
from harness.stats.tags import TAGS as TAG_METRICS

__all__ = [
    "ANSWERS",
    "COMPLETION",
    "CONTEXT",
    "DOCUMENT",
    "LABEL",
    "LABELS",
    "MESSAGES",
    "NUMBER",
    "PROMPT",
    "QUESTION",
    "RECIPE",
    "SOURCE",
    "TAGS",
    "TARGET",
    "TASKS",
    "TEXT",
    "TEXT_PAIR",
    "WORDS",
    "Field",
    "FieldKind",
    "TaskFacts",
    "facts_of",
    "find_metric",
    "metric_named",
    "remember",
]

FieldKind = Literal[
    "text",
    "image",
    "words",
    "label",
    "label_set",
    "number",
    "tags",
    "answers",
    "prompt",
    "messages",
    "document",
    "completion",
]
#: The kinds of fields that hold text which a model reads.
_TEXTS = ("text", "words", "prompt", "messages", "document")
#: What a name in the targets is called, and several of them, by the kinds of fields whose targets have names.
NOUNS: dict[str, tuple[str, str]] = {
    "label": ("class", "classes"),
    "label_set": ("label", "labels"),
    "tags": ("tag", "tags"),
}
#: How the report may look at the errors of a task: the modules of `harness.report.lenses`.
LENSES = ("classes", "labels", "numbers", "spans", "answers", "completions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column that a task reads; `data.columns` gives its name in the table.

    `target` marks the field that is learned; `holds_target` one whose column is that of the target too. `short` is the
    key of `data` that may also name the column: text, text_pair or label. `many` says that `data.columns` may list
    several columns, which are read as one. Rows with the same value of the field that is the `unit` stay in one split
    where splits are made, and are drawn together for intervals, unless the study names other columns for that.
    """

    name: str
    kind: FieldKind
    target: bool = False
    required: bool = True
    many: bool = False
    unit: bool = False
    holds_target: bool = False
    short: Literal["text", "text_pair", "label"] | None = None

    @property
    def key(self) -> str:
        """The key of the study file that names the column."""
        return f"data.{self.short}" if self.short else f"data.columns.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """The facts of a task that reader, search, records and report need.

    `inputs` is the plural word for its rows. The first of `metrics` is the default objective; `loss` names the metric
    that ranks equal trials. `recipe` holds the training keys that only some losses have. `options` are the task's own
    keys, under `task_options`, with their types and defaults. `lens` is how the report shows the errors: a name of
    `harness.report.lenses`. `pipeline` is the Hub's tag of its exports, mostly that of the transformers pipeline that
    runs them. `layouts` are for a task whose rows come in several forms: for each the columns of its fields by their
    usual names, the first that a table has being used where the study names none.
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
        return tuple(field.name for field in self.fields if field.kind in _TEXTS and not field.target)

    def texts_in(self, columns: Collection[str]) -> tuple[str, ...]:
        """The names of the fields of texts for which a table has a column; `columns` are the names of its fields."""
        return tuple(name for name in self.texts if name in columns)

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


TEXT = Field(name="text", kind="text", short="text")
TEXT_PAIR = Field(name="text_pair", kind="text", required=False, short="text_pair")
LABEL = Field(name="label", kind="label", target=True, short="label")
LABELS = Field(name="labels", kind="label_set", target=True, many=True, short="label")
WORDS = Field(name="words", kind="words", short="text")
TAGS = Field(name="tags", kind="tags", target=True, short="label")
NUMBER = Field(name="number", kind="number", target=True, short="label")
QUESTION = Field(name="question", kind="text")
CONTEXT = Field(name="context", kind="text", unit=True)
ANSWERS = Field(name="answers", kind="answers", target=True)
PROMPT = Field(name="prompt", kind="prompt", required=False, many=True)
MESSAGES = Field(name="messages", kind="messages", required=False, holds_target=True)
DOCUMENT = Field(name="text", kind="document", required=False, holds_target=True)
COMPLETION = Field(name="completion", kind="completion", target=True)
SOURCE = Field(name="source", kind="text")
TARGET = Field(name="target", kind="completion", target=True)
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
            name="multi-label-classification",
            inputs="texts",
            fields=(TEXT, TEXT_PAIR, LABELS),
            metrics=LABEL_SETS,
            loss="log_loss",
            options=LabelSetOptions,
            lens="labels",
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
            name="token-classification",
            inputs="texts",
            fields=(WORDS, TAGS),
            metrics=TAG_METRICS,
            loss="log_loss",
            recipe=frozenset({"label_smoothing"}),
            lens="spans",
            pipeline="token-classification",
        ),
        TaskFacts(
            name="question-answering",
            inputs="questions",
            fields=(QUESTION, CONTEXT, ANSWERS),
            metrics=ANSWER_METRICS,
            loss="log_loss",
            options=AnswerOptions,
            lens="answers",
            pipeline="question-answering",
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
        TaskFacts(
            name="causal-lm",
            inputs="prompts",
            fields=(PROMPT, MESSAGES, DOCUMENT, COMPLETION),
            metrics=COMPLETIONS,
            loss="loss",
            recipe=frozenset({"label_smoothing"}),
            options=CompletionOptions,
            lens="completions",
            pipeline="text-generation",
            layouts=(
                {"prompt": "prompt", "completion": "completion"},
                {"prompt": ("instruction", "input"), "completion": "output"},
                {"prompt": "instruction", "completion": "output"},
                {"messages": "messages"},
                {"text": "text"},
            ),
        ),
        TaskFacts(
            name="seq2seq",
            inputs="sources",
            fields=(SOURCE, TARGET),
            metrics=TRANSLATIONS,
            loss="loss",
            recipe=frozenset({"label_smoothing"}),
            options=WritingOptions,
            lens="completions",
        ),
    )
}
#: The training keys that only the losses of some tasks have.
RECIPE: frozenset[str] = frozenset().union(*(facts.recipe for facts in TASKS.values()))
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
