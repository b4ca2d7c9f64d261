"""Batches of pictures, and of the boxes that are learned. torch is imported inside functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Encoded, Ragged
from harness.data.resident import Resident
from harness.stats.ragged import ragged_of

if TYPE_CHECKING:
    import torch

__all__ = ["boxes_and_classes", "centred", "labels_of", "pictures_of"]


def boxes_and_classes(rows: list[Any]) -> dict[str, Ragged]:
    """Returns the prepared boxes of all rows: ragged `boxes` [boxes, 4] fp32 and `classes` [boxes] int64."""
    offsets = np.concatenate([[0], np.cumsum([len(boxes) for boxes in rows])]).astype(np.int64)
    values = np.array([list(box) for boxes in rows for box in boxes], dtype=np.float64).reshape(-1, 5)
    return {
        "boxes": Ragged(values=values[:, 1:].astype(np.float32), offsets=offsets),
        "classes": Ragged(values=values[:, 0].astype(np.int64), offsets=offsets),
    }


def pictures_of(encoded: Encoded, rows: np.ndarray) -> torch.Tensor:
    """Returns the pictures of `rows`, float32 [rows, 3, height, width], scaled as the model wants them."""
    import torch

    scale = torch.tensor([encoded.stats["mean"], encoded.stats["std"]])
    if isinstance(encoded, Resident):
        pixels, scale = encoded.take("pixel_values", rows), encoded.upload(scale.numpy())
    else:
        pixels = torch.from_numpy(np.asarray(encoded.fields["pixel_values"])[rows])
    mean, std = scale.view(2, 1, -1, 1, 1)
    images: torch.Tensor = (pixels.permute(0, 3, 1, 2).to(torch.float32) / 255 - mean) / std
    return images.contiguous(memory_format=torch.channels_last)


def labels_of(encoded: Encoded, rows: np.ndarray) -> list[dict[str, torch.Tensor]]:
    """Returns the boxes of each row as models learn them.

    They are `class_labels` [boxes] and `boxes` [boxes, 4]: centre, width and height as shares of the picture.
    """
    import torch

    heights, widths = np.asarray(encoded.fields["sizes"])[rows].T
    labels = []
    for row, height, width in zip(rows, heights, widths, strict=True):
        boxes, classes = (ragged_of(encoded.targets[name]).of(np.array([row])) for name in ("boxes", "classes"))
        shares = torch.from_numpy(boxes / np.array([width, height, width, height], dtype=np.float32))
        labels.append({"class_labels": torch.from_numpy(classes), "boxes": centred(shares)})
    return labels


def centred(corners: torch.Tensor) -> torch.Tensor:
    """Returns [left, top, right, bottom] as centre, width and height."""
    import torch

    return torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)
