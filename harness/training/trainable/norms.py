"""Batch norms: which statistics they use in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["follow_steps", "settle_norms"]

#: The share of the newest batch in running statistics that torch gives batch norms, and the most that is given here.
USUAL_SHARE = 0.1
#: From this share on it is meant for what is kept, as TensorFlow writes it (0.99, 0.997).
MOST_SHARE = 0.5
#: So many times a training renews the running statistics, where it is short.
RENEWALS = 10


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


def follow_steps(model: torch.nn.Module, total_steps: int) -> None:
    """Makes running statistics follow the weights in a training of `total_steps` steps.

    Checkpoints that were trained for a million steps give the newest batch a share of 0.01 or less, so that after some
    hundred steps evaluation would still use much of the statistics of the old weights.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    least = min(USUAL_SHARE, RENEWALS / max(1, total_steps))
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.momentum is not None:
            share = 1 - module.momentum if module.momentum > MOST_SHARE else module.momentum
            module.momentum = max(share, least)


def _chooser(model: PreTrainedModel, *, is_frozen: bool) -> Any:
    def choose(module: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        has_variance = args[0].numel() > args[0].shape[1]
        vars(module)["training"] = model.training and has_variance and not is_frozen

    return choose
