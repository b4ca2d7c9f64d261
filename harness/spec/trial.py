"""The full configuration of one trial, as JSON. The sections mirror those of the study file."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from harness.spec.rungs import TrialRungs
from harness.spec.space import Frozen, Scalar
from harness.spec.study import AugmentStep, ClassWeights, Freeze, OptimizerName, Precision, PreprocessStep, Schedule
from harness.spec.study.adapters import Adapter, Targets
from harness.spec.tasks import facts_of

__all__ = ["ParamValue", "TrialConfig", "TrialData", "TrialModel", "TrialTraining"]

ParamValue = Scalar | tuple[str, ...]


class TrialData(Frozen):
    """How this trial's rows become examples."""

    preprocess: tuple[PreprocessStep, ...] = ()
    augment: tuple[AugmentStep, ...] = ()
    max_length: int = 128
    train_rows: int | None = None


class TrialModel(Frozen):
    """This trial's model; `checkpoint` is written as in the study."""

    checkpoint: str
    architecture: dict[str, Any] | None = None
    layers: int | None = None
    freeze: Freeze = "none"
    frozen_dropout: bool = True
    dropout: float | None = None
    adapter: Adapter = "none"
    rank: int = 8
    alpha: float = 16.0
    adapter_dropout: float = 0.0
    targets: Targets = "auto"
    gradient_checkpointing: bool = False


class TrialTraining(Frozen):
    """This trial's recipe."""

    learning_rate: float
    batch_size: int
    epochs: float
    optimizer: OptimizerName = "adamw"
    weight_decay: float
    warmup_fraction: float
    schedule: Schedule
    layer_decay: float = 1.0
    precision: Precision
    max_grad_norm: float | None
    label_smoothing: float = 0.0
    class_weights: ClassWeights = "none"
    accumulation_steps: int
    patience: int | None = None
    step_graphs: bool = False
    seed: int


class TrialConfig(Frozen):
    """One trial. Two configs that differ only in number, kind and params train the same model.

    `number` counts from 0 within its kind; `kind` is the part of the job it belongs to; `params` are the
    searched values by their last key (`learning_rate`). `evaluate_at` are the shares of the full training, in
    (0, 1] and rising, after which the trial is evaluated; the last is 1, but where a trial's recipe and number of steps
    are repeated on more rows. `validation_rows` gives how many rows of the
    (fixed, seeded) validation subset each of them scores; null means all. `rungs` are the shares at which the trial is
    judged, one for each rung of the study and null where it is not judged.
    """

    number: int
    kind: Literal["search", "confirm", "rerun", "bench"] = "search"
    of: int | None = Field(default=None, description="the search trial that this one repeats")
    task: str
    task_options: dict[str, ParamValue] = Field(default={}, description="every option of the task")
    params: dict[str, ParamValue] = {}
    data: TrialData
    model: TrialModel
    training: TrialTraining
    evaluate_at: tuple[float, ...] = (1.0,)
    validation_rows: tuple[int | None, ...] = (None,)
    rungs: TrialRungs = ()
    objectives: tuple[str, ...] = Field(default=(), description="not given: the task's first metric")
    data_on_device: bool = False
    threads: tuple[tuple[int, int], ...] = Field(
        default=(), description="(step, threads) of an earlier run that is repeated; beyond, what the slot gives"
    )

    @model_validator(mode="after")
    def _give_objectives(self) -> Self:
        if not self.objectives:
            object.__setattr__(self, "objectives", (facts_of(self.task).metrics[0].name,))
        return self

    def in_precision(self, precision: str) -> TrialConfig:
        """Returns the same trial with `precision` instead of `auto`."""
        return self.model_copy(update={"training": self.training.model_copy(update={"precision": precision})})
