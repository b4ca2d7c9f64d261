"""Gradient checkpointing: blocks keep their inputs alone, and run again in the backward pass (Chen et al. 2016)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch.utils.checkpoint import checkpoint

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["recompute_blocks"]


def recompute_blocks(model: PreTrainedModel) -> None:
    """Makes every block of a model forget in training what it computed inside; losses and gradients stay the same.

    Raises:
        CheckpointError: transformers cannot do that with the model's type.
    """
    if not model.supports_gradient_checkpointing:
        raise CheckpointError(
            f"model.gradient_checkpointing: a {model.config.model_type} model cannot recompute its blocks; use false"
        )
    # Not through gradient_checkpointing_enable, which makes frozen embeddings ask for gradients.
    model._set_gradient_checkpointing(True, partial(checkpoint, use_reentrant=False))
    if getattr(model.config, "use_cache", None):
        model.config.use_cache = False
