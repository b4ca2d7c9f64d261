"""The section `training` of a study file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.spec.space import Frozen, Searchable
from harness.spec.study.optimisers import OPTIMISERS
from harness.spec.study.types import Count, Epochs, Fraction, NotNegative, Positive, Seed, Share

__all__ = ["ClassWeights", "OptimizerName", "Precision", "Schedule", "TrainingSpec"]

Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
ClassWeights = Literal["none", "balanced"]
if TYPE_CHECKING:  # a type checker reads no names from a table
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(OPTIMISERS)]


class TrainingSpec(Frozen):
    """The recipe: an optimiser on the task's loss, with a schedule with warm-up over the full training."""

    learning_rate: Searchable[Positive] = Field(
        default=5e-5,
        description="the highest learning rate, reached at the end of the warm-up",
        examples=[{"low": 1e-5, "high": 5e-4, "log": True}],
    )
    batch_size: Searchable[Count] = Field(
        default=32, description="rows of one update of the weights", examples=[[8, 16, 32]]
    )
    epochs: Searchable[Epochs] = Field(
        default=3.0, description="passes over the training rows; fractions are allowed", examples=[[2, 3, 4]]
    )
    optimizer: Searchable[OptimizerName] = Field(
        default="adamw",
        description="adamw: the usual choice; adafactor keeps almost no state, and its learning rate is a share of the "
        "size of each weight tensor (1e-3 to 5e-3); sgd has momentum 0.9 and wants a larger one (1e-2 to 1e-1)",
        examples=[["adamw", "adafactor"]],
    )
    weight_decay: Searchable[NotNegative] = Field(
        default=0.01,
        description="decoupled in every optimizer: a step shrinks weights by learning rate x weight_decay",
        examples=[[0.0, 0.01, 0.1]],
    )
    warmup_fraction: Searchable[Fraction] = Field(
        default=0.06,
        description="the share of the steps in which the learning rate rises from 0",
        examples=[{"low": 0.0, "high": 0.2}],
    )
    schedule: Searchable[Schedule] = Field(
        default="linear",
        description="how the learning rate falls after the warm-up: linear or cosine to 0, or not at all (constant)",
        examples=[["linear", "cosine"]],
    )
    layer_decay: Searchable[Share] = Field(
        default=1.0,
        description="each block of layers has the learning rate of the one above times this: the head has all of it, "
        "the embeddings the least; 0.65 to 0.95 is usual, 1.0 gives all the same",
        examples=[{"low": 0.7, "high": 1.0}],
    )
    precision: Searchable[Precision] = Field(
        default="auto",
        description="auto: of those that train as well on this device, the one whose products are measured to be "
        "fastest (once a study, recorded); bf16: fp32 weights under bf16 products; fp16: with loss scaling",
    )
    max_grad_norm: Searchable[Positive | None] = Field(
        default=1.0, description="gradients of a larger norm are scaled down to it; null: never", examples=[[1.0, None]]
    )
    label_smoothing: Searchable[Fraction] = Field(
        default=0.0,
        description="the share of the target's probability that is spread over all classes",
        examples=[[0.0, 0.1]],
    )
    class_weights: Searchable[ClassWeights] = Field(
        default="none",
        description="balanced: rows of rare classes count more in the loss, so that all classes count the same",
        examples=[["none", "balanced"]],
    )
    accumulation_steps: Searchable[Count] = Field(
        default=1, description="micro-batches that a batch is cut into, to fit into memory; the update is the same"
    )
    evaluations_per_epoch: Literal["auto"] | Count = Field(
        default="auto", description="besides those at the pruner's rungs; auto: one an epoch after a trial's last rung"
    )
    patience: Searchable[Count | None] = Field(
        default=None,
        description="so many evaluations in a row without a better first objective end a trial, which is complete with "
        "the weights of its best evaluation; those within the warm-up or on few validation rows do not count; the "
        "learning rate falls as in the full training; null: every trial trains to its end",
        examples=[3],
    )
    step_graphs: bool = Field(
        default=False,
        description="CUDA only, elsewhere nothing changes: forward and backward pass of a shape of batch that comes "
        "often are captured as a CUDA graph and launched at once; lengths are rounded up to multiples of 8, and each "
        "of at most 8 graphs keeps gradients of its own in memory (not measured: docs/accelerators.md)",
    )
    seed: Seed = Field(default=0, description="of new weights, the order of rows and dropout; never searched")
