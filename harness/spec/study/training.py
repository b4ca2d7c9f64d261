"""The section `training` of a study file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.spec.space import Frozen, Searchable
from harness.spec.study.optimisers import OPTIMISERS
from harness.spec.study.types import Count, Epochs, Fraction, NotNegative, Positive, Seed

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
