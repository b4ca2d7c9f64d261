"""A head for real numbers of any size: trained on numbers of mean 0 and spread 1, saved in their own unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["ScaledLinear", "fold", "scale_head", "unfold"]

#: The keys of config.json that hold the mean and the spread of the training targets.
MEAN, SCALE = "target_mean", "target_scale"


class ScaledLinear(torch.nn.Linear):
    """A linear layer that says `mean + scale * (W x + b)`, in fp32.

    A new one begins at the mean and with the spread of its targets, and a learning rate means the same for the prices
    of houses and for grades.
    """

    mean: float
    scale: float

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch calls it so
        """[..., 1] fp32, in the unit of the targets."""
        return self.mean + self.scale * super().forward(input).float()


def scale_head(model: PreTrainedModel, mean: float, scale: float) -> None:
    """Makes a `ScaledLinear` of the last layer of `model`; its configuration keeps mean and scale.

    Raises:
        CheckpointError: the model has no linear layer with one output outside of its backbone.
    """
    backbone = set(model.base_model.modules()) if model.base_model is not model else set()
    heads = [
        part
        for part in model.modules()
        if isinstance(part, torch.nn.Linear) and part.out_features == 1 and part not in backbone
    ]
    if not heads:
        raise CheckpointError(f"model: a {model.config.model_type} model has no head for one number; use another")
    head = heads[-1]
    head.__class__ = ScaledLinear  # its parameters stay, under the names that plain transformers has for them
    head.mean, head.scale = mean, scale  # type: ignore[assignment]
    setattr(model.config, MEAN, mean)
    setattr(model.config, SCALE, scale)


def fold(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Changes the weights in `state` of a scaled head of `model` to those with which a plain layer says the same.

    A head without a bias (GPT-2's) has no place for the mean: with plain transformers it is to be added.
    """
    for name, part in model.named_modules():
        if isinstance(part, ScaledLinear):
            state[f"{name}.weight"] = state[f"{name}.weight"] * part.scale
            if part.bias is not None:
                state[f"{name}.bias"] = state[f"{name}.bias"] * part.scale + part.mean


def unfold(model: PreTrainedModel) -> None:
    """Gives a model that was saved with a scaled head that head again: products in bf16 would round a large mean."""
    mean, scale = getattr(model.config, MEAN, None), getattr(model.config, SCALE, None)
    if not isinstance(mean, (int, float)) or not isinstance(scale, (int, float)) or scale <= 0:
        return
    scale_head(model, float(mean), float(scale))
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, ScaledLinear):
                part.weight.div_(scale)
                if part.bias is not None:
                    part.bias.sub_(mean).div_(scale)
