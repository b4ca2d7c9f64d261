"""What a cell needs of memory, by formula, and the largest batch that fits, by search.

Knows nothing of time. On a CPU the kernel kills what does not fit, so a cell is admitted by estimate before it starts;
an accelerator says that memory is gone, so there the largest batch is tried out.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
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
MASTER_BYTES = 16  # fp32 weight, gradient and two moments
#: Torch, transformers and the data, before the first model.
PROCESS_BYTES = 450 * 2**20
#: Measured peaks were up to 1.46 times the formula (MiniLM in fp32 and bf16, batches of 8 and 32 of 64 to 256 tokens).
MARGIN = 1.5


def estimated_bytes(
    config: PreTrainedConfig, parameters: int, *, rows: int, length: int, precision: str, training: bool
) -> float | None:
    """Weights, optimiser and activations; None where the configuration names no layers, width and heads.

    Activations: rows x length x width x layers x (34 + 5 heads x length / width) for values of 2 bytes (Korthikanti et
    al. 2022, equation 1); without a backward pass one layer's worth is alive at a time.
    """
    activations = _activations(config, rows, length, precision)
    if activations is None:
        return None
    layers = _num_layers(config)
    weights = parameters * (2 * BYTES[precision] + MASTER_BYTES if training else BYTES[precision])
    return weights + (activations * layers if training else activations)


def moved_bytes(
    config: PreTrainedConfig, parameters: int, *, rows: int, length: int, precision: str, training: bool
) -> float | None:
    """The least that a step must move to and from memory: each weight and activation once a pass, AdamW's state once.

    Forward reads weights and writes activations; backward reads both and writes gradients; AdamW reads gradient,
    weight and two moments and writes the last three, in fp32. None as for `estimated_bytes`.
    """
    activations = _activations(config, rows, length, precision)
    if activations is None:
        return None
    kept = activations * _num_layers(config)
    if not training:
        return parameters * BYTES[precision] + kept
    return parameters * (3 * BYTES[precision] + 7 * 4) + 2 * kept


def _activations(config: PreTrainedConfig, rows: int, length: int, precision: str) -> float | None:
    """Bytes of one layer's activations."""
    width, heads = getattr(config, "hidden_size", None), getattr(config, "num_attention_heads", None)
    if not isinstance(width, int) or not isinstance(heads, int) or not _num_layers(config):
        return None
    return rows * length * width * (34 + 5 * heads * length / width) * BYTES[precision] / 2


def _num_layers(config: PreTrainedConfig) -> int:
    counts = [getattr(config, name, 0) for name in ("num_hidden_layers", "num_decoder_layers")]
    return sum(count for count in counts if isinstance(count, int))


def available_bytes() -> int:
    """Memory that a process could still get here."""
    return min(psutil.virtual_memory().available, resources.memory_bytes())


def admit(needed: float | None) -> None:
    """Lets a cell start on a CPU.

    Raises:
        TrialFailure: reason oom, when it is estimated to need more than there is.
    """
    free = available_bytes()
    needed = None if needed is None else PROCESS_BYTES + MARGIN * needed
    if needed is not None and needed > free:
        text = f"not started: about {needed / 2**30:.1f} GiB needed, {free / 2**30:.1f} GiB free"
        raise TrialFailure(FailReason.OOM, text)


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """The largest batch size up to `most` for which `fits`: doubled until it does not, then halved in between.

    The search ends within 1/8 of the truth. 0: not even one row fits.
    """
    good, bad = 0, 0
    size = 1
    while size <= most and not bad:
        if fits(size):
            good, size = size, size * 2
        else:
            bad = size
    bad = bad or most + 1
    while bad - good > max(1, good // 8):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def release_memory(device: torch.device) -> None:
    """Gives back what earlier cells of this process held, so that the next one's peak is its own."""
    gc.collect()
    devices.empty_cache(device)
    with suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
    devices.reset_peak_memory(device)
