"""The study file as frozen types.

One trial's resolved form of the same sections is `harness.spec.trial.TrialConfig`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from harness.errors import InputError, look_up
from harness.spec.foreign import FOREIGN_PATTERN
from harness.spec.space import Frozen, Scalar, Searchable
from harness.spec.study.data import (
    DELIMITER_PATTERN,
    FILE_KEYS,
    REVISION_PATTERN,
    AugmentStep,
    DataSpec,
    HubSpec,
    PreprocessStep,
    SplitSpec,
)
from harness.spec.study.engine import EngineSpec
from harness.spec.study.model import CHECKPOINT_PATTERN, Freeze, ModelSpec, split_checkpoint
from harness.spec.study.pruners import PRUNERS
from harness.spec.study.training import ClassWeights, OptimizerName, Precision, Schedule, TrainingSpec
from harness.spec.study.types import NAME_PATTERN, Count, Name, Positive, Seed, Text
from harness.spec.tasks import TASKS, facts_of

__all__ = [
    "CHECKPOINT_PATTERN",
    "DELIMITER_PATTERN",
    "FILE_KEYS",
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

if TYPE_CHECKING:  # a type checker reads no names from a table
    PrunerName = str
else:
    PrunerName = Literal[tuple(PRUNERS)]


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


class PrunerSpec(Frozen):
    """When a trial is pruned. `min_fraction` is the first rung, as a share of the full training.

    One in `reduction_factor` trials goes on at a rung, and the next rung is that many times as late; before a fifth of
    the training two in three go on. No trial is judged before its warm-up has ended and it has made 5 steps, and
    none is stopped while better trials are ahead of it by no more than noise.
    """

    name: PrunerName = Field(default="rungs", description="the rule")
    reduction_factor: Annotated[int, Field(ge=2)] | None = Field(
        default=None,
        description="one in so many trials goes on at a rung; null: 2 with rungs, 4 with other pruners",
        examples=[3],
    )
    min_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.0625, description="the first rung, as a share of the full training"
    )

    @property
    def factor(self) -> int:
        """The reduction factor: the study's, or the pruner's own.

        Raises:
            InputError: no pruner has this name.
        """
        return self.reduction_factor or look_up(PRUNERS, self.name, "search.pruner.name").factor


class SearchSpec(Frozen):
    """How the space is searched. `trials` is the total, the default recipes and the params tried first included."""

    model_config = ConfigDict(serialize_by_alias=True)

    trials: Count = Field(default=16, description="all trials, the default recipe and those tried first included")
    sampler: Literal["tpe", "gp", "random", "grid", "qmc", "cmaes", "nsga2"] = Field(
        default="tpe", description="what proposes the params of the next trial"
    )
    pruner: PrunerSpec = Field(default=PrunerSpec(), description="what stops trials early")
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)] = Field(
        default=(),
        description="metrics of the task, or costs; not given: the task's first metric",
        examples=[["macro_f1"]],
        json_schema_extra=_default_is_of_the_task,
    )
    constraints: tuple[Text, ...] = Field(
        default=(),
        description="limits on validation metrics or costs that the winner must keep, as 'peak_memory_mib <= 2000'",
        examples=[["peak_memory_mib <= 2000"]],
    )
    first: tuple[dict[str, Scalar | tuple[str, ...]], ...] = Field(
        default=(),
        description="params to try after the default recipe, which gives the rest of each",
        examples=[[{"learning_rate": 3e-5}]],
    )
    from_runs: tuple[Text, ...] = Field(
        default=(),
        alias="from",
        description="finished runs whose best three trials each are tried after that, where the space holds them",
        examples=[["runs/before"]],
    )
    seed: Seed = Field(default=0, description="of the sampler")
    storage: Text | None = Field(
        default=None,
        description="database URL; null: study.db in the run folder",
        examples=["postgresql://user@host/studies"],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("an objective is listed twice")
        if len(set(self.from_runs)) < len(self.from_runs):
            raise ValueError("from: a run is listed twice")
        return self


class BudgetSpec(Frozen):
    """Wall time over all continuations; confirmation is not counted."""

    minutes: Positive | None = Field(default=None, description="of the whole search; null: no limit", examples=[30])
    trial_minutes: Positive | None = Field(default=None, description="of one trial; null: no limit", examples=[10])


#: The most seeds of a configuration where `confirm.seeds` is auto.
MOST_SEEDS = 3


class ConfirmSpec(Frozen):
    """The `top` configurations are trained with `seeds` seeds in all; the search run is the first."""

    top: Count = Field(default=2, description="how many configurations are trained again")
    seeds: Literal["auto"] | Count = Field(
        default=2,
        description=f"auto: up to {MOST_SEEDS}, further ones only for configurations that may still have the best mean",
    )

    @property
    def most_seeds(self) -> int:
        """How many seeds a configuration has at most."""
        return MOST_SEEDS if self.seeds == "auto" else self.seeds


class StudySpec(Frozen):
    """A whole study file."""

    name: Name = Field(description="of the study, and of its folder under runs/", examples=["reviews"])
    task: TaskName = Field(
        default="text-classification", description="what is learned; or your own task: my_package.my_module:MyTask"
    )
    task_options: dict[str, Searchable[Scalar]] = Field(
        default={}, description="the task's own keys", examples=[{"doc_stride": [32, 64]}]
    )
    data: DataSpec = Field(description="the labelled rows")
    model: ModelSpec = Field(description="the pretrained checkpoint")
    training: TrainingSpec = Field(default=TrainingSpec(), description="the recipe")
    search: SearchSpec = Field(default=SearchSpec(), description="how the space is searched")
    budget: BudgetSpec = Field(default=BudgetSpec(), description="how long the search may take")
    confirm: ConfirmSpec | None = Field(
        default=ConfirmSpec(), description="how the best are trained again with other seeds; null: they are not"
    )
    engine: EngineSpec = Field(default=EngineSpec(), description="where trials run")
    loggers: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        default=(),
        description="where trials are logged besides the run folder; each needs the extra of its name",
        examples=[["tensorboard"]],
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
