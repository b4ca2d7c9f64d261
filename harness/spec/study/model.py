"""The section `model` of a study file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from harness.spec.space import Choices, Frozen, Searchable, SearchableList
from harness.spec.study.adapters import Adapter, Alpha, Targets
from harness.spec.study.types import Count, Fraction

__all__ = ["CHECKPOINT_PATTERN", "Freeze", "ModelSpec", "split_checkpoint"]

CHECKPOINT_PATTERN = r"^([^#]|#[^#/]*/)+(#layers=[1-9][0-9]{0,2})?$"

Checkpoint = Annotated[str, Field(pattern=CHECKPOINT_PATTERN)]
LowestLayers = Annotated[int, Field(ge=1, description="embeddings and the lowest k layers")]
Freeze = Literal["none", "embeddings", "backbone"] | LowestLayers


def split_checkpoint(name: str) -> tuple[str, int | None]:
    """Returns checkpoint and number of kept layers: `("minilm", 3)` for `minilm#layers=3`, else `(name, None)`."""
    base, _, layers = name.rpartition("#layers=")
    return (base, int(layers)) if base and re.fullmatch("[0-9]{1,3}", layers) else (name, None)


class ModelSpec(Frozen):
    """The pretrained checkpoint and which of its layers are kept and trained."""

    checkpoint: Checkpoint | Annotated[tuple[Checkpoint, ...], Field(min_length=1)] | Choices[Checkpoint] = Field(
        description="folder, packaged checkpoint, Hub id (owner/name, or owner/name@COMMIT), or 'scratch' (built from "
        "architecture); a plain list is compared, {choices: [...]} is searched; '#layers=3' behind a name keeps its "
        "first three layers",
        examples=["sentence-transformers/all-MiniLM-L6-v2"],
    )
    architecture: dict[str, Any] | None = Field(
        default=None,
        description="for checkpoint: scratch: a transformers configuration with model_type",
        examples=[{"model_type": "bert", "num_hidden_layers": 2}],
    )
    layers: Searchable[Count | None] = Field(default=None, description="keep only the first layers", examples=[[3, 6]])
    freeze: Searchable[Freeze] = Field(
        default="none",
        description="what is not trained: none of it; embeddings; a number k, the embeddings and the lowest k layers; "
        "backbone, all but the new head",
        examples=[["none", "embeddings", 2]],
    )
    frozen_dropout: Searchable[bool] = Field(
        default=True,
        description="false: frozen layers run without dropout (and batch norms as they came); what k frozen layers or "
        "the backbone give is then computed once and kept beside the encoded data, so that a step runs only the layers "
        "above (tokens x width numbers in the trial's precision, at most 4 GiB a split; the trial's log says how much)",
    )
    dropout: Searchable[Fraction | None] = Field(
        default=None, description="of the model; null: the checkpoint's own", examples=[[None, 0.2]]
    )
    adapter: Searchable[Adapter] = Field(
        default="none",
        description="lora: the checkpoint stays as it is, and low-rank matrices in its linear layers are trained with "
        "the head (Hu et al. 2021), by a learning rate about ten times that of full training; they are merged into the "
        "exported model; needs the extra lora",
        examples=[["none", "lora"]],
    )
    rank: Searchable[Count] = Field(
        default=8,
        description="of the adapter's matrices",
        examples=[{"choices": [4, 8, 16], "when": {"adapter": "lora"}}],
    )
    alpha: Alpha = Field(
        default=16.0,
        description="the adapter's output is scaled by alpha / rank; {times: rank, by: 2} is twice the trial's rank",
        examples=[{"times": "rank", "by": 2}],
    )
    adapter_dropout: Searchable[Fraction] = Field(default=0.0, description="of the adapter's inputs")
    targets: SearchableList[Targets] = Field(
        default="auto",
        description="layers that get an adapter: auto, every linear layer of the backbone that is not frozen, or "
        "a list of names, of which the ends are enough",
        examples=[["query", "value"]],
    )

    gradient_checkpointing: Searchable[bool] = Field(
        default=False,
        description="true: blocks keep their inputs alone and run again in the backward pass, for less memory at the "
        "price of another forward pass; losses stay the same",
    )

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
