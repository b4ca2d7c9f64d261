"""The study file as frozen types.

One trial's resolved form of the same sections is `harness.spec.trial.TrialConfig`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from harness.errors import InputError
from harness.spec.foreign import FOREIGN_PATTERN
from harness.spec.space import Choices, Frozen, Range, Scalar, Searchable, SearchableList
from harness.spec.study.optimisers import OPTIMISERS
from harness.spec.study.pruners import PRUNERS
from harness.spec.tasks import TASKS, facts_of

__all__ = [
    "CHECKPOINT_PATTERN",
    "DELIMITER_PATTERN",
    "NAME_PATTERN",
    "REVISION_PATTERN",
    "AugmentStep",
    "BudgetSpec",
    "ClassWeights",
    "ConfirmSpec",
    "DataSpec",
    "EngineSpec",
    "Freeze",
    "HubSpec",
    "ModelSpec",
    "OptimizerName",
    "Precision",
    "PreprocessStep",
    "PrunerSpec",
    "Schedule",
    "SearchSpec",
    "SplitSpec",
    "StudySpec",
    "TrainingSpec",
    "split_checkpoint",
]

NAME_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"
REVISION_PATTERN = r"^[0-9a-f]{40}$"
DELIMITER_PATTERN = r"^(comma|semicolon|tab|pipe|[^\"\r\n])$"
CHECKPOINT_PATTERN = r"^([^#]|#[^#/]*/)+(#layers=[1-9][0-9]{0,2})?$"

PreprocessStep = Literal["nfkc", "lowercase", "strip_punctuation", "remove_stop_words", "collapse_whitespace"]
AugmentStep = Literal["delete", "swap"]
Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
ClassWeights = Literal["none", "balanced"]
LowestLayers = Annotated[int, Field(ge=1, description="embeddings and the lowest k layers")]
Freeze = Literal["none", "embeddings", "backbone"] | LowestLayers
if TYPE_CHECKING:  # a type checker reads no names from a table
    OptimizerName = str
    PrunerName = str
else:
    OptimizerName = Literal[tuple(OPTIMISERS)]
    PrunerName = Literal[tuple(PRUNERS)]

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Epochs = Annotated[float, Field(gt=0, le=10_000)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Text = Annotated[str, Field(min_length=1)]


def _column_name(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Column = Annotated[Text, BeforeValidator(_column_name, json_schema_input_type=Text | Annotated[int, Field(ge=1)])]


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(f"{name!r} is no encoding that Python knows, such as utf-8, cp1252 or gb18030") from None
    return name


Checkpoint = Annotated[str, Field(pattern=CHECKPOINT_PATTERN)]


def _known_task(name: str) -> str:
    try:
        options = facts_of(name).options.model_fields
    except InputError as error:
        raise ValueError(str(error).removeprefix("task ")) from None
    for section, model in (("data", DataSpec), ("model", ModelSpec), ("training", TrainingSpec)):
        for option in options:
            if option in model.model_fields:
                raise ValueError(f"{name!r}: its option '{option}' is also a key of {section}; choose another name")
    return name


_TASK_NAMES = {"anyOf": [{"enum": list(TASKS)}, {"pattern": FOREIGN_PATTERN}]}
TaskName = Annotated[str, AfterValidator(_known_task), Field(json_schema_extra=_TASK_NAMES)]
_OBJECTIVES = list(dict.fromkeys(name for facts in TASKS.values() for name in facts.objectives))
#: `harness.spec.checks`, which knows the task, checks that the task has the objective. A user's task has others.
Objective = Annotated[str, Field(examples=_OBJECTIVES)]


def _default_is_of_the_task(schema: dict[str, Any]) -> None:
    """Drops the empty default from the schema, which demands at least one objective."""
    schema.pop("default", None)


def split_checkpoint(name: str) -> tuple[str, int | None]:
    """Returns checkpoint and number of kept layers: `("minilm", 3)` for `minilm#layers=3`, else `(name, None)`."""
    base, _, layers = name.rpartition("#layers=")
    return (base, int(layers)) if base and re.fullmatch("[0-9]{1,3}", layers) else (name, None)


class SplitSpec(Frozen):
    """Shares of train, validation and test, and how rows are dealt."""

    train: Positive = 0.8
    validation: Positive = 0.1
    test: Positive = 0.1
    seed: Seed = 42
    stratify: bool = True
    by: Text | None = Field(
        default=None,
        description="a column of dates, numbers or texts: train has the first rows in its order, test the last",
    )
    group: Text | None = Field(default=None, description="a column whose values never straddle splits that are made")

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class HubSpec(Frozen):
    """A Hugging Face data set, pinned to a commit."""

    id: Text
    revision: Annotated[str, Field(pattern=REVISION_PATTERN, description="commit of the data set, 40 hex digits")]
    config: Text | None = None


#: The keys of `data` that say how a file is read.
FILE_KEYS = ("delimiter", "encoding", "quoting", "header")


class DataSpec(Frozen):
    """Where the labelled rows come from and how they become examples. Exactly one of path, hub and builtin.

    A source on the command line replaces the file's. Another kind of source has other columns, so `text` and `label`
    then go back to their defaults, and so do the keys of files, unless they are on the command line too.
    """

    path: Text | None = Field(
        default=None, description="a table (CSV, TSV, JSON, Parquet, Arrow, Excel; gzip or zip), or a folder of splits"
    )
    hub: HubSpec | None = None
    builtin: Literal["digits"] | None = Field(default=None, description="a data set of an installed package")
    delimiter: Annotated[str, Field(pattern=DELIMITER_PATTERN)] | None = Field(
        default=None,
        description="what separates the cells of a text file: comma, semicolon, tab, pipe or a sign; null: found out",
    )
    encoding: Annotated[Text, AfterValidator(_known_encoding)] | None = Field(
        default=None, description="the encoding of a text file, as Python names it; null: found out"
    )
    quoting: Literal["double", "none"] | None = Field(
        default=None, description="double: double quotes enclose cells; none: they are plain text; null: found out"
    )
    header: Literal["none"] | Count | None = Field(
        default=None, description="the line of the header; none: the file has none; null: found out"
    )
    text: Column = Field(default="text", description="the column of texts: its name, or its number from 1")
    text_pair: Column | None = Field(default=None, description="second text column; the two make a pair")
    label: Column = Field(default="label", description="the column of the target, whatever the task learns")
    columns: dict[str, Column] = Field(default={}, description="columns by the names of the task's fields")
    split: SplitSpec = SplitSpec()
    resample_by: Text | None = Field(
        default=None,
        description="a column (a user, a passage): rows with the same value are drawn together for intervals and "
        "comparisons",
    )
    preprocess: SearchableList[tuple[PreprocessStep, ...]] = ()
    augment: SearchableList[tuple[AugmentStep, ...]] = ()
    max_length: Searchable[Count] = 128
    train_rows: Searchable[Count | None] = Field(default=None, description="a seeded subset of the training split")

    @model_validator(mode="after")
    def _check(self) -> Self:
        sources = [name for name in ("path", "hub", "builtin") if getattr(self, name) is not None]
        if len(sources) != 1:
            raise ValueError(f"give exactly one of path, hub, builtin (given: {', '.join(sources) or 'none'})")
        of_files = [name for name in FILE_KEYS if getattr(self, name) is not None]
        if of_files and self.path is None:
            raise ValueError(f"{', '.join(of_files)}: goes with data.path")
        return self

    @property
    def most_train_rows(self) -> int | None:
        """The most training rows that a trial may have; None: the whole split."""
        rows = self.train_rows
        if isinstance(rows, Range):
            return rows.high
        counts = rows.choices if isinstance(rows, Choices) else (rows,)
        finite = [count for count in counts if count is not None]
        return max(finite) if len(finite) == len(counts) else None


class ModelSpec(Frozen):
    """The pretrained checkpoint and which of its layers are kept and trained."""

    checkpoint: Checkpoint | Annotated[tuple[Checkpoint, ...], Field(min_length=1)] | Choices[Checkpoint] = Field(
        description="folder, packaged checkpoint, Hub id, or 'scratch' (built from architecture); a plain list is "
        "compared, {choices: [...]} is searched; '#layers=3' behind a name keeps its first three layers"
    )
    architecture: dict[str, Any] | None = Field(
        default=None, description="for checkpoint: scratch: a transformers configuration with model_type"
    )
    layers: Searchable[Count | None] = Field(default=None, description="keep only the first layers")
    freeze: Searchable[Freeze] = "none"
    frozen_dropout: Searchable[bool] = Field(
        default=True,
        description="false: frozen layers run without dropout (and batch norms as they came); what k frozen layers or "
        "the backbone give is then computed once and kept beside the encoded data, so that a step runs only the layers "
        "above (tokens x width numbers in the trial's precision, at most 4 GiB a split; the trial's log says how much)",
    )
    dropout: Searchable[Fraction | None] = Field(default=None, description="null: the checkpoint's own")

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = [split_checkpoint(name) for name in self.checkpoints]
        scratch = any(base == "scratch" for base, _ in parts)
        if scratch and (self.architecture is None or "model_type" not in self.architecture):
            raise ValueError("checkpoint: scratch needs architecture: {model_type: ...}")
        if self.architecture is not None and not scratch:
            raise ValueError("architecture goes with checkpoint: scratch")
        if self.layers is not None and any(layers for _, layers in parts):
            raise ValueError("give either layers or '#layers=' behind a checkpoint, not both")
        if len(set(self.checkpoints)) < len(self.checkpoints):
            raise ValueError("a checkpoint is listed twice")
        return self

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Every checkpoint a trial may use, in the file's order."""
        if isinstance(self.checkpoint, str):
            return (self.checkpoint,)
        return self.checkpoint.choices if isinstance(self.checkpoint, Choices) else self.checkpoint


class TrainingSpec(Frozen):
    """The recipe: an optimiser on the task's loss, with a schedule with warm-up over the full training."""

    learning_rate: Searchable[Positive] = 5e-5
    batch_size: Searchable[Count] = 32
    epochs: Searchable[Epochs] = 3.0
    optimizer: Searchable[OptimizerName] = Field(
        default="adamw",
        description="adafactor keeps almost no state, and its learning rate is a share of the size of each weight "
        "tensor (1e-3 to 5e-3); sgd has momentum 0.9 and wants a larger learning rate (1e-2 to 1e-1)",
    )
    weight_decay: Searchable[NotNegative] = Field(
        default=0.01, description="decoupled in every optimizer: a step shrinks weights by learning rate x weight_decay"
    )
    warmup_fraction: Searchable[Fraction] = 0.06
    schedule: Searchable[Schedule] = "linear"
    precision: Searchable[Precision] = Field(
        default="auto",
        description="auto: of those that train as well on this device, the one whose products are measured to be "
        "fastest (once a study, recorded); bf16: fp32 weights under bf16 products; fp16: with loss scaling",
    )
    max_grad_norm: Searchable[Positive | None] = 1.0
    label_smoothing: Searchable[Fraction] = 0.0
    class_weights: Searchable[ClassWeights] = "none"
    accumulation_steps: Searchable[Count] = Field(default=1, description="micro-batches that a batch is cut into")
    evaluations_per_epoch: Literal["auto"] | Count = Field(
        default="auto", description="besides those at the pruner's rungs; auto: one an epoch after a trial's last rung"
    )
    step_graphs: bool = Field(
        default=False,
        description="CUDA only, elsewhere nothing changes: forward and backward pass of a shape of batch that comes "
        "often are captured as a CUDA graph and launched at once; lengths are rounded up to multiples of 8, and each "
        "of at most 8 graphs keeps gradients of its own in memory (not measured: docs/accelerators.md)",
    )
    seed: Seed = 0


class PrunerSpec(Frozen):
    """When a trial is pruned. `min_fraction` is the first rung, as a share of the full training.

    No trial is judged before its warm-up has ended and it has made 5 steps, and none is stopped at a rung at which
    fewer trials are better than a guess than would go on. Before a fifth of the training half of the trials go on.
    """

    name: PrunerName = "rungs"
    reduction_factor: Annotated[int, Field(ge=2)] = 4
    min_fraction: Annotated[float, Field(gt=0, le=1)] = 0.0625


class SearchSpec(Frozen):
    """How the space is searched. `trials` is the total, the default recipes and the params tried first included."""

    model_config = ConfigDict(serialize_by_alias=True)

    trials: Count = 16
    sampler: Literal["tpe", "gp", "random", "grid", "qmc", "cmaes", "nsga2"] = "tpe"
    pruner: PrunerSpec = PrunerSpec()
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)] = Field(
        default=(),
        description="metrics of the task, or costs; not given: the task's first metric",
        json_schema_extra=_default_is_of_the_task,
    )
    constraints: tuple[Text, ...] = Field(
        default=(),
        description="limits on validation metrics or costs that the winner must keep, as 'peak_memory_mib <= 2000'",
    )
    first: tuple[dict[str, Scalar | tuple[str, ...]], ...] = Field(
        default=(),
        description="params to try after the default recipe, which gives the rest of each: {learning_rate: 3e-5}",
    )
    from_runs: tuple[Text, ...] = Field(
        default=(),
        alias="from",
        description="finished runs whose best three trials each are tried after that, where the space holds them",
    )
    seed: Seed = 0
    storage: Text | None = Field(default=None, description="database URL; null: study.db in the run folder")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("an objective is listed twice")
        if len(set(self.from_runs)) < len(self.from_runs):
            raise ValueError("from: a run is listed twice")
        return self


class BudgetSpec(Frozen):
    """Wall time over all continuations; confirmation is not counted."""

    minutes: Positive | None = None
    trial_minutes: Positive | None = None


class ConfirmSpec(Frozen):
    """The `top` configurations are trained with `seeds` seeds in all; the search run is the first."""

    top: Count = 2
    seeds: Count = 2


#: Ray counts resources in ten-thousandths.
SMALLEST_AMOUNT = 1e-4


def _reservable(amounts: dict[str, float]) -> dict[str, float]:
    """Refuses amounts that Ray would not reserve for a trial."""
    if not any(amounts.values()):
        raise ValueError("nothing is asked for; give at least one amount above 0, for example {cpu: 1}")
    for name, amount in amounts.items():
        alike = [other for other in amounts if other.lower() == name.lower()]
        if len(alike) > 1:
            raise ValueError(f"{' and '.join(alike)} are the same resource; give it once")
        if name == "object_store_memory":
            raise ValueError(f"Ray cannot reserve {name}; leave it out")
        if amount != 0 and amount < SMALLEST_AMOUNT:
            raise ValueError(f"{name}: {amount:g}: amounts are 0 or at least {SMALLEST_AMOUNT:g}")
        if name.lower() == "gpu" and amount > 1 and amount % 1:
            raise ValueError(f"{name}: {amount:g}: above one GPU Ray gives whole ones only")
    return amounts


class EngineSpec(Frozen):
    """The engine and the devices that trials run on."""

    name: Literal["local", "ray", "inline"] = "local"
    device: Text = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps, xpu")
    slots_per_device: Literal["auto"] | Count = Field(
        default="auto",
        description="trials side by side; on an accelerator auto is 1, and of more only those move together that fit",
    )
    threads_per_slot: Literal["auto"] | Count = "auto"
    data_on_device: bool = Field(
        default=False,
        description="CUDA and XPU only, elsewhere nothing changes: encoded splits are copied to the device once a "
        "process, where batches are made of them; at most a tenth of its free memory (not measured: "
        "docs/accelerators.md)",
    )
    address: Text | None = Field(default=None, description="ray: address of a running cluster; null: start one")
    resources_per_trial: Annotated[dict[str, float], AfterValidator(_reservable)] | None = Field(
        default=None, description="ray: {cpu: 1, gpu: 0.25}"
    )
    storage_path: Text | None = Field(default=None, description="ray: shared folder; null: in the run folder")
    max_concurrent: Count | None = None

    @property
    def joins(self) -> bool:
        """True when trials run on a cluster that is running already."""
        return self.name == "ray" and self.address not in (None, "local")


class StudySpec(Frozen):
    """A whole study file."""

    name: Name
    task: TaskName = Field(default="text-classification", description="or your own: my_package.my_module:MyTask")
    task_options: dict[str, Searchable[Scalar]] = Field(default={}, description="the task's own keys")
    data: DataSpec
    model: ModelSpec
    training: TrainingSpec = TrainingSpec()
    search: SearchSpec = SearchSpec()
    budget: BudgetSpec = BudgetSpec()
    confirm: ConfirmSpec | None = ConfirmSpec()
    engine: EngineSpec = EngineSpec()
    loggers: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        default=(), description="where trials are logged besides the run folder; each needs the extra of its name"
    )

    @model_validator(mode="after")
    def _give_objectives(self) -> Self:
        if not self.search.objectives:
            default = {"objectives": (facts_of(self.task).metrics[0].name,)}
            object.__setattr__(self, "search", self.search.model_copy(update=default))
        return self

    @property
    def num_finalists(self) -> int:
        """How many configurations (of each compared checkpoint) a search trains to the end at least."""
        return self.confirm.top if self.confirm else 1
