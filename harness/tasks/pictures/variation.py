"""Random changes to the pictures of a training batch: mirrored, moved, and of other colours.

The numbers come from torch's random state on the host, which belongs to the trial: a trial that goes on from its
snapshot changes its pictures as it would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.data.encoded import Encoded

if TYPE_CHECKING:
    import torch

__all__ = ["Variation", "variation_of"]

#: The shares of red, green and blue in the brightness that eyes see (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


def variation_of(options: Mapping[str, Any]) -> Variation | None:
    """Returns the variation that task options ask for; None for none."""
    flip, crop, colour = bool(options.get("flip")), float(options.get("crop", 0)), float(options.get("colour", 0))
    return Variation(flip, crop, colour) if flip or crop or colour else None


@dataclass(frozen=True, slots=True)
class Variation:
    """`flip` mirrors half of the pictures; `crop` is the largest move in shares of a side; `colour` that of colours."""

    flip: bool
    crop: float
    colour: float

    def __call__(self, inputs: Mapping[str, torch.Tensor], encoded: Encoded) -> dict[str, torch.Tensor]:
        """Returns the inputs with other pixels; `encoded` says how they were normalised."""
        import torch

        pixels = inputs["pixel_values"]
        if self.colour:
            pixels = _recoloured(pixels, self.colour, encoded.stats["mean"], encoded.stats["std"])
        if self.flip:
            pixels = _mirrored(pixels)
        if self.crop:
            pixels = _moved(pixels, self.crop)
        return {**inputs, "pixel_values": pixels.contiguous(memory_format=torch.channels_last)}


def _draws(pixels: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Returns a random number for each picture [rows, 1, 1, 1], on the device of `pixels`."""
    import torch

    return (torch.rand(len(pixels), 1, 1, 1) * (high - low) + low).to(pixels.device, non_blocking=True)


def _mirrored(pixels: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.where(_draws(pixels, 0, 1) < 0.5, pixels.flip(-1), pixels)


def _moved(pixels: torch.Tensor, share: float) -> torch.Tensor:
    """Cuts each picture out of itself with a margin of zeros, at a random place."""
    import torch
    from torch.nn import functional

    rows, _, height, width = pixels.shape
    down, right = round(share * height), round(share * width)
    padded = functional.pad(pixels, (right, right, down, down))
    tops, lefts = torch.randint(0, 2 * down + 1, (rows,)), torch.randint(0, 2 * right + 1, (rows,))
    lines = (tops[:, None] + torch.arange(height)).to(pixels.device, non_blocking=True)
    columns = (lefts[:, None] + torch.arange(width)).to(pixels.device, non_blocking=True)
    at = torch.arange(rows, device=pixels.device)[:, None, None]
    moved: torch.Tensor = padded.permute(0, 2, 3, 1)[at, lines[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _recoloured(pixels: torch.Tensor, share: float, mean: Any, std: Any) -> torch.Tensor:
    """Changes brightness, contrast and saturation; pixels in 0..1 stay there."""
    import torch

    shift, scale = torch.tensor([list(mean), list(std)], device=pixels.device).view(2, 1, -1, 1, 1)
    images = (pixels * scale + shift) * _draws(pixels, 1 - share, 1 + share)
    images = _between(images, images.mean(dim=(1, 2, 3), keepdim=True), _draws(pixels, 1 - share, 1 + share))
    if images.shape[1] == len(_LUMA):
        weights = torch.tensor(_LUMA, device=pixels.device).view(1, -1, 1, 1)
        grey = (images * weights).sum(dim=1, keepdim=True)
        images = _between(images, grey, _draws(pixels, 1 - share, 1 + share))
    recoloured: torch.Tensor = (images.clamp(0, 1) - shift) / scale
    return recoloured


def _between(images: torch.Tensor, anchor: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Returns images that are `factor` times as far from `anchor`."""
    return anchor + (images - anchor) * factor
