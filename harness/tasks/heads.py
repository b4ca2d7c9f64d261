"""A head whose outputs begin at given values: at the mean of the targets, or at the log-odds of labels.

Numbers of any size are trained as numbers of mean 0 and spread 1, and saved in the unit of the targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import torch

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["ScaledLinear", "fold", "scale_head", "unfold"]

#: The keys of config.json that hold the mean (a number, or one for each output) and the spread of training targets.
MEAN, SCALE = "target_mean", "target_scale"


class ScaledLinear(torch.nn.Linear):
    """A linear layer that computes `mean + scale * (W x + b)`, in fp32; `mean` is [outputs].

    A new one starts at the mean and with the spread of its targets, so that a learning rate has the same effect for
    prices of houses as for grades.
    """

    mean: torch.Tensor
    scale: float

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch calls it so
        """Returns [..., outputs] fp32, in the unit of the targets."""
        return self.mean + self.scale * super().forward(input).float()

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        """Moves the layer. The mean stays in fp32 where a model is cast: fewer digits would move its outputs."""
        exact = self.mean
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.mean = exact.to(self.weight.device)
        return self


def scale_head(model: PreTrainedModel, mean: float | Sequence[float], scale: float) -> None:
    """Turns the last layer of `model` into a `ScaledLinear`, and writes mean and scale into its configuration.

    `mean` is a number, or one for each output of the layer.

    Raises:
        CheckpointError: the model has no linear layer with so many outputs outside of its backbone.
    """
    means = [mean] if isinstance(mean, (int, float)) else list(mean)
    backbone = set(model.base_model.modules()) if model.base_model is not model else set()
    heads = [
        part
        for part in model.modules()
        if isinstance(part, torch.nn.Linear) and part.out_features == len(means) and part not in backbone
    ]
    if not heads:
        what = "one number" if len(means) == 1 else f"{len(means)} labels"
        raise CheckpointError(f"model: a {model.config.model_type} model has no head for {what}; use another")
    head = heads[-1]
    head.__class__ = ScaledLinear  # its parameters stay, under the names that plain transformers has for them
    head.register_buffer("mean", torch.tensor(means, dtype=torch.float32), persistent=False)
    head.scale = scale  # type: ignore[assignment]
    setattr(model.config, MEAN, mean if isinstance(mean, (int, float)) else means)
    setattr(model.config, SCALE, scale)


def fold(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Changes the weights of a scaled head in `state` so that a plain linear layer computes the same.

    A head without a bias (GPT-2's) has no place for the mean, which users of plain transformers must add.
    """
    for name, part in model.named_modules():
        if isinstance(part, ScaledLinear):
            state[f"{name}.weight"] = state[f"{name}.weight"] * part.scale
            if part.bias is not None:
                state[f"{name}.bias"] = state[f"{name}.bias"] * part.scale + part.mean.to(state[f"{name}.bias"].device)


def unfold(model: PreTrainedModel) -> None:
    """Restores the scaled head of a saved model.

    With the folded weights, products in bf16 would round a large mean.
    """
    mean, scale = getattr(model.config, MEAN, None), getattr(model.config, SCALE, None)
    if not isinstance(mean, (int, float, list)) or not isinstance(scale, (int, float)) or scale <= 0:
        return
    scale_head(model, mean, float(scale))
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, ScaledLinear):
                part.weight.div_(scale)
                if part.bias is not None:
                    part.bias.sub_(part.mean).div_(scale)
