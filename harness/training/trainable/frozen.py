"""Runs frozen layers without dropout (`model.frozen_dropout: false`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.spec.study import Freeze
from harness.training.trainable.freeze import repeated_blocks

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["frozen_blocks", "without_dropout"]


def frozen_blocks(model: PreTrainedModel, freeze: Freeze) -> list[torch.nn.Module]:
    """Returns the lowest blocks, as many as `freeze` says; none where it is not a number."""
    return list(repeated_blocks(model)[0][:freeze]) if isinstance(freeze, int) else []


def without_dropout(model: PreTrainedModel, freeze: Freeze) -> None:
    """Makes everything up to the first trained layer run in evaluation mode, whatever the mode of the model.

    It then runs without dropout, and batch norms use their running statistics. This works through hooks: modules and
    names stay as they are. `freeze` is not none.
    """
    modules = list(model.base_model.modules())

    def set_training(training: bool) -> None:
        if model.training:
            for module in modules:
                vars(module)["training"] = training  # Module.__setattr__ costs more than a small model's head

    def leave(module: torch.nn.Module, args: Any, output: Any) -> None:
        set_training(True)

    model.base_model.register_forward_pre_hook(lambda module, args: set_training(False))
    stacks = [] if freeze == "backbone" else repeated_blocks(model)
    if blocks := frozen_blocks(model, freeze):
        blocks[-1].register_forward_hook(leave)
    elif stacks:
        stacks[0][0].register_forward_pre_hook(lambda module, args: set_training(True))
    else:
        model.base_model.register_forward_hook(leave)
