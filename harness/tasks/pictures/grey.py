"""Saves a model of grey images as one of colour images: plain transformers opens every image in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["GREY", "narrow", "widen"]

#: The key of config.json that names the widened convolution.
GREY = "grey_images"
#: The shares of red, green and blue in grey, near those that eyes see. Powers of two are exact in every precision.
SHARES = (0.25, 0.5, 0.25)


def widen(model: PreTrainedModel, state: dict[str, torch.Tensor], config: PreTrainedConfig) -> None:
    """Changes the weights in `state`, and `config`, so that the model takes images of three channels.

    It answers for a grey image in colour what `model` answers for its one channel. A model whose first layer is no
    convolution of one channel stays as it is.
    """
    import torch

    stems = [
        name
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Conv2d) and part.in_channels == 1 and part.groups == 1
    ]
    if getattr(config, "num_channels", None) != 1 or len(stems) != 1:
        return
    weight = state[f"{stems[0]}.weight"]
    state[f"{stems[0]}.weight"] = torch.cat([weight * share for share in SHARES], dim=1)
    config.num_channels = len(SHARES)
    setattr(config, GREY, stems[0])


def narrow(model: PreTrainedModel) -> None:
    """Restores the one channel of a model that `widen` has saved."""
    import torch

    name = getattr(model.config, GREY, None)
    stem = dict(model.named_modules()).get(name) if isinstance(name, str) else None
    if not isinstance(stem, torch.nn.Conv2d) or stem.in_channels != len(SHARES):
        return
    stem.weight = torch.nn.Parameter(stem.weight.detach()[:, 1:2] / SHARES[1])
    stem.in_channels = model.config.num_channels = 1
    for part in model.modules():
        if getattr(part, "num_channels", None) == len(SHARES):
            part.num_channels = 1
