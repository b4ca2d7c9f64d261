"""Puts encoded splits on an accelerator, once a process for all its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from harness.data.encoded import Encoded, Ragged
from harness.data.resident import Resident
from harness.training import device as devices
from harness.training.host import Host

__all__ = ["MAX_SHARE", "resident"]

#: The share of the free device memory that all splits of this process may take together.
MAX_SHARE = 0.1


def resident(examples: Encoded, folder: Path, device: torch.device, host: Host) -> Encoded:
    """Returns `examples`, which were opened from `folder`, with their fields on `device`.

    Returns them unchanged on the CPU, and on an accelerator that does not say how much memory is free (MPS). A split
    that would take more than `MAX_SHARE` stays on the host, and its batches are copied.
    """
    free = devices.free_memory_bytes(device)
    if free is None:
        return examples
    residents: dict[str, Resident] = host.cache.setdefault(f"resident:{device}", {})
    if str(folder) not in residents:
        size, resident_bytes = _size(examples), sum(_size(split) for split in residents.values())
        if resident_bytes + size > MAX_SHARE * (free + resident_bytes):
            return _made(examples, {}, device)
        residents[str(folder)] = _made(examples, _copied(examples, device), device)
    return residents[str(folder)]


def _size(examples: Encoded) -> int:
    """Bytes of the fields; the zeros behind ragged ones are not worth counting."""
    values = (field.values if isinstance(field, Ragged) else field for field in examples.fields.values())
    return sum(value.nbytes for value in values)


def _made(examples: Encoded, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Resident:
    host = {field.name: getattr(examples, field.name) for field in fields(Encoded)}
    return Resident(**host, tensors=tensors, upload=lambda array: devices.upload(torch.from_numpy(array), device))


def _copied(examples: Encoded, device: torch.device) -> dict[str, torch.Tensor]:
    """Copies the fields to `device`, in the layout of `Resident`."""
    longest = int(examples.lengths.max(initial=0))
    tensors = {}
    for name, field in examples.fields.items():
        if isinstance(field, Ragged):
            array = np.concatenate([field.values, np.zeros(longest, dtype=field.values.dtype)])
        else:
            array = np.array(field)
        tensors[name] = torch.from_numpy(array).to(device)
    return tensors
