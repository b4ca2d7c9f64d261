"""Encoded examples with a copy of their fields on an accelerator, where batches are made of them by indexing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.data.encoded import Encoded

if TYPE_CHECKING:
    import torch

__all__ = ["Resident"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident(Encoded):
    """The examples of one split, on the host and on a device.

    `tensors` are all fields on the device by name; empty where they stay on the host. A dense field has its rows there.
    A ragged field has its values, followed by as many zeros as the longest row has tokens, so that every row can be
    read to that length. `upload` copies a small array to the device without waiting for it.
    """

    tensors: Mapping[str, torch.Tensor]
    upload: Callable[[np.ndarray], torch.Tensor]

    def take(self, name: str, rows: np.ndarray) -> torch.Tensor:
        """Returns some rows [len(rows), ...] of a dense field, on the device."""
        if name in self.tensors:
            return self.tensors[name][self.upload(np.asarray(rows))]
        return self.upload(np.asarray(self.fields[name])[rows])
