"""How far boxes overlap. A box is [left, top, right, bottom]; any unit does, because both measures are ratios."""

from __future__ import annotations

import numpy as np

__all__ = ["generalised_iou", "iou"]


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the area that two boxes share over the area of both together, for each pair [first, second]."""
    shared, union = _areas(first, second)
    overlaps: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def generalised_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the IoU less the share of the smallest box around both that neither covers, from -1 to 1 [first, second].

    Unlike the IoU it also tells how far apart two boxes are (Rezatofighi et al. 2019).
    """
    _, union = _areas(first, second)
    a, b = first[:, None].astype(float), second[None].astype(float)
    around = np.prod(np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2]), axis=-1)
    empty = np.divide(around - union, around, out=np.zeros_like(around), where=around > 0)
    overlaps: np.ndarray = iou(first, second) - empty
    return overlaps


def _areas(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the areas that each pair shares, and that it covers together."""
    a, b = first[:, None].astype(float), second[None].astype(float)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    shared = sides[..., 0] * sides[..., 1]
    return shared, np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1) - shared
