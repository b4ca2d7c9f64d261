"""Encoded examples with a copy of their fields on an accelerator, where batches are made of them by indexing.

Knows nothing of which device that is, or of who decides what lies there.
"""

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
    """The examples of one split, on the host as ever.

    `tensors` are all fields on the device by name, or none where they stay on the host: of a ragged one its values, and
    behind them as many zeros as the longest row has tokens, so that every row can be read to that length; of a dense
    one its rows. `upload` brings a small array to the device, without waiting for it.
    """

    tensors: Mapping[str, torch.Tensor]
    upload: Callable[[np.ndarray], torch.Tensor]

    def take(self, name: str, rows: np.ndarray) -> torch.Tensor:
        """Some rows [len(rows), ...] of a dense field, on the device."""
        if name in self.tensors:
            return self.tensors[name][self.upload(np.asarray(rows))]
        return self.upload(np.asarray(self.fields[name])[rows])
