"""Dropout for the CPU, with masks from a fast generator.

torch draws Bernoulli masks one number at a time (5 ns each, 8 % of a MiniLM step); 16 random bits an element from SFC64
take a tenth of that. The seed of each mask is drawn from torch's generator, so that the trial's random state still
decides everything.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["FastDropout", "fast_dropouts"]

_BITS = 16
_BITS_OF = {
    torch.bfloat16: torch.int16,
    torch.float16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


class FastDropout(torch.nn.Module):
    """Zeroes each element with probability `p` (to 1 in 65,536) and scales the others by 1 / (1 - p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self._threshold = round(p * 2**_BITS)
        self._scale = 2**_BITS / (2**_BITS - self._threshold)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns `inputs` with dropout in training, else unchanged."""
        if not self.training or self._threshold == 0:
            return inputs
        size = inputs.numel()
        seed = int(torch.randint(2**62, ()))
        raw = np.random.SFC64(seed).random_raw(-(-size * _BITS // 64)).view(np.uint16)[:size]
        is_kept = torch.from_numpy(raw >= self._threshold).view(inputs.shape)
        return inputs * _masked(self._scale, is_kept, inputs.dtype)


def _masked(scale: float, is_kept: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Returns `scale` where `is_kept`, else 0.

    It multiplies the bits of `scale` by 0 or 1, because torch converts booleans to numbers one by one.
    """
    bits = _BITS_OF[dtype]
    return is_kept.to(bits).mul_(torch.tensor(scale, dtype=dtype).view(bits)).view(dtype)


def fast_dropouts(model: torch.nn.Module) -> dict[int, FastDropout]:
    """Returns the replacement of every `nn.Dropout` of a model on the CPU, by the `id` of the `nn.Dropout`."""
    return {
        id(module): FastDropout(module.p)
        for module in model.modules()
        if type(module) is torch.nn.Dropout and module.p < 1
    }
