"""The memory that a cell needs, by formula, and the largest batch that fits, by search.

On a CPU the kernel kills what does not fit, so a cell is admitted by estimate before it starts; an accelerator reports
that memory ran out, so there the largest batch is tried.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import torch

from harness.errors import FailReason, TrialFailure
from harness.machine import resources
from harness.training import device as devices
from harness.training.weights import DTYPES

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

__all__ = ["admit", "available_bytes", "estimated_bytes", "largest_that_fits", "moved_bytes", "release_memory"]

BYTES = {name: dtype.itemsize for name, dtype in DTYPES.items()}
FP32_BYTES = 4
#: Torch, transformers and the data, before the first model.
PROCESS_BYTES = 450 * 2**20
#: Measured peaks were up to 1.46 times the formula (MiniLM in fp32 and bf16, batches of 8 and 32 of 64 to 256 tokens).
MARGIN = 1.5


def estimated_bytes(
    config: PreTrainedConfig, parameters: int, *, rows: int, length: int, precision: str, moments: int | None
) -> float | None:
    """Returns the bytes of weights, optimiser and activations; None for a configuration without layers, width or heads.

    `moments` are the numbers that the optimiser keeps of each weight; None where nothing is trained.

    Activations: rows x length x width x layers x (34 + 5 heads x length / width) for values of 2 bytes (Korthikanti et
    al. 2022, equation 1); without a backward pass one layer's worth is alive at a time.
    """
    activations = _activations(config, rows, length, precision)
    if activations is None:
        return None
    if moments is None:
        return parameters * BYTES[precision] + activations
    masters = (2 + moments) * FP32_BYTES  # weight, gradient and moments
    return parameters * (2 * BYTES[precision] + masters) + activations * _num_layers(config)


def moved_bytes(
    config: PreTrainedConfig, parameters: int, *, rows: int, length: int, precision: str, moments: int | None
) -> float | None:
    """Returns the least bytes that a step must move: each weight and activation once a pass, each moment once.

    Forward reads weights and writes activations; backward reads both and writes gradients; the optimiser reads
    gradient, weight and moments and writes the last two, in fp32. `moments` and None as for `estimated_bytes`.
    """
    activations = _activations(config, rows, length, precision)
    if activations is None:
        return None
    all_activations = activations * _num_layers(config)
    if moments is None:
        return parameters * BYTES[precision] + all_activations
    return parameters * (3 * BYTES[precision] + (3 + 2 * moments) * FP32_BYTES) + 2 * all_activations


def _activations(config: PreTrainedConfig, rows: int, length: int, precision: str) -> float | None:
    """Returns the bytes of one layer's activations."""
    width, heads = getattr(config, "hidden_size", None), getattr(config, "num_attention_heads", None)
    if not isinstance(width, int) or not isinstance(heads, int) or not _num_layers(config):
        return None
    return rows * length * width * (34 + 5 * heads * length / width) * BYTES[precision] / 2


def _num_layers(config: PreTrainedConfig) -> int:
    counts = [getattr(config, name, 0) for name in ("num_hidden_layers", "num_decoder_layers")]
    return sum(count for count in counts if isinstance(count, int))


def available_bytes() -> int:
    """Returns the memory that a process could still get."""
    return min(psutil.virtual_memory().available, resources.memory_bytes())


def admit(needed: float | None) -> None:
    """Admits a cell on a CPU.

    Raises:
        TrialFailure: reason oom, when it is estimated to need more memory than is available.
    """
    free = available_bytes()
    needed = None if needed is None else PROCESS_BYTES + MARGIN * needed
    if needed is not None and needed > free:
        text = f"not started: about {needed / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free"
        raise TrialFailure(FailReason.OOM, text)


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """Returns the largest batch size up to `most` that `fits`; 0 when not even one row fits.

    The size is doubled until it does not fit, then the interval is halved until it is within 1/8 of the largest size.
    """
    fitting, too_large = 0, 0
    size = 1
    while size <= most and not too_large:
        if fits(size):
            fitting, size = size, size * 2
        else:
            too_large = size
    too_large = too_large or most + 1
    while too_large - fitting > max(1, fitting // 8):
        middle = (fitting + too_large) // 2
        fitting, too_large = (middle, too_large) if fits(middle) else (fitting, middle)
    return fitting


def release_memory(device: torch.device) -> None:
    """Frees what earlier cells of this process held, so that the next one's peak is its own."""
    gc.collect()
    devices.empty_cache(device)
    devices.reset_peak_memory(device)
