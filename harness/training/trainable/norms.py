"""Batch norms: which statistics they use in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["settle_norms"]


def settle_norms(model: PreTrainedModel) -> None:
    """Makes frozen batch norms use and keep the statistics of the checkpoint, also while the model is in training.

    All others do so for a batch with one value a channel, which has no variance. This works through hooks: modules and
    names stay as they are.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in model.modules():
        if isinstance(module, _BatchNorm):
            weights = list(module.parameters(recurse=False))
            is_frozen = bool(weights) and not any(weight.requires_grad for weight in weights)
            module.register_forward_pre_hook(_chooser(model, is_frozen=is_frozen))


def _chooser(model: PreTrainedModel, *, is_frozen: bool) -> Any:
    def choose(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        has_variance = args[0].numel() > args[0].shape[1]
        vars(module)["training"] = model.training and has_variance and not is_frozen

    return choose
