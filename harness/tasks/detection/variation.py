"""Random changes to the pictures that a detector learns from, and to their boxes: mirrored, and parts enlarged.

The numbers come from torch's random state on the host, which belongs to the trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.data.encoded import Encoded
from harness.tasks.detection.batches import centred

if TYPE_CHECKING:
    import torch

__all__ = ["variation_of"]

Labels = dict[str, "torch.Tensor"]
#: The axes along which pictures are mirrored: 0 left to right, 1 top to bottom.
_AXES = {"none": (), "horizontal": (0,), "both": (0, 1)}
#: A box of which less is left after cutting is not learned.
_LEAST_LEFT = 0.5


def variation_of(options: Mapping[str, Any]) -> Callable[[Mapping[str, Any], Encoded], dict[str, Any]] | None:
    """Returns the changes that the options `flip` and `crop` ask for; None for none."""
    axes, share = _AXES[str(options.get("flip", "none"))], float(options.get("crop") or 0.0)
    return partial(_changed, axes, share) if axes or share else None


def _changed(axes: tuple[int, ...], share: float, inputs: Mapping[str, Any], encoded: Encoded) -> dict[str, Any]:
    """Returns the inputs of a batch with other pictures and boxes."""
    import torch

    pictures, labels = inputs["pixel_values"], inputs["labels"]
    for axis in axes:
        is_flipped = torch.rand(len(pictures)) < 0.5
        where = is_flipped.to(pictures.device).view(-1, 1, 1, 1)
        pictures = torch.where(where, pictures.flip(3 - axis), pictures)
        labels = [_mirrored(label, axis) if flips else label for label, flips in zip(labels, is_flipped, strict=True)]
    if share:
        cut = [_cut(*pair, share) for pair in zip(pictures, labels, strict=True)]
        pictures, labels = torch.stack([picture for picture, _ in cut]), [label for _, label in cut]
    return {**inputs, "pixel_values": pictures.contiguous(memory_format=torch.channels_last), "labels": labels}


def _mirrored(label: Labels, axis: int) -> Labels:
    boxes = label["boxes"].clone()
    boxes[:, axis] = 1 - boxes[:, axis]
    return label | {"boxes": boxes}


def _cut(picture: torch.Tensor, label: Labels, share: float) -> tuple[torch.Tensor, Labels]:
    """Returns a part of a picture, enlarged to its size, and the boxes in it."""
    import torch
    from torch.nn import functional

    height, width = picture.shape[1:]
    parts = (1 - share * torch.rand(2)).tolist()
    rows, columns = max(1, round(parts[0] * height)), max(1, round(parts[1] * width))
    top = int(torch.randint(height - rows + 1, ()))
    left = int(torch.randint(width - columns + 1, ()))
    part = picture[None, :, top : top + rows, left : left + columns]
    resized = functional.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)[0]
    boxes = label["boxes"]
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)
    start = boxes.new_tensor([left / width, top / height]).repeat(2)
    size = boxes.new_tensor([columns / width, rows / height]).repeat(2)
    moved = (corners - start) / size
    inside = moved.clamp(0, 1)
    areas = [torch.prod(box[:, 2:] - box[:, :2], dim=1) for box in (inside, moved)]
    is_kept = areas[0] >= _LEAST_LEFT * areas[1]
    kept = {"class_labels": label["class_labels"][is_kept], "boxes": centred(inside[is_kept])}
    return resized, kept
