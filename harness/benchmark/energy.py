"""Energy counters: of an NVIDIA GPU through NVML, of a processor through RAPL; where neither can be read, none.

Knows nothing of what the energy was spent on. Nothing is estimated from rated power.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

__all__ = ["Meter", "nvml_counter", "open_meter", "rapl_counters"]

#: Joules since some time in the past, and the value after which the counter starts again (None: never).
Counter = tuple[Callable[[], float], float | None]


class Meter:
    """Adds up what its counters count between `start` and `joules`."""

    def __init__(self, source: str, counters: list[Counter]) -> None:
        self.source = source
        self._counters = counters
        self._before: list[float] = []

    def start(self) -> None:
        """From here on energy counts."""
        self._before = [read() for read, _ in self._counters]

    def joules(self) -> float:
        """What was used since `start`; a counter that went back has run over once."""
        total = 0.0
        for before, (read, limit) in zip(self._before, self._counters, strict=True):
            used = read() - before
            total += used + limit if used < 0 and limit is not None else used
        return total


def open_meter(device: torch.device, root: Path = Path("/")) -> Meter | None:
    """The meter of what `device` uses; None where nothing can be read."""
    if device.type == "cpu":
        counters = rapl_counters(root)
        return Meter("RAPL, processor packages", counters) if counters else None
    counter = nvml_counter(device) if device.type == "cuda" else None
    return Meter("NVML, GPU board", [counter]) if counter else None


def nvml_counter(device: torch.device) -> Counter | None:
    """The total-energy counter of a GPU (Volta and later), found by its UUID, whatever CUDA_VISIBLE_DEVICES says."""
    with suppress(Exception):  # not installed, no driver, a ROCm card, an old one: all the same to us
        nvml: Any = import_module("pynvml")
        nvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000, None
    return None


def rapl_counters(root: Path = Path("/")) -> list[Counter]:
    """One counter a processor package; [] where there are none, or only the administrator may read them."""
    found: list[Counter] = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*")):
        # Sub-zones (core, dram: intel-rapl:0:0) are part of their package, or are not counted.
        if zone.name.count(":") != 1:
            continue
        try:
            limit = _read_joules(zone / "max_energy_range_uj")
            _read_joules(zone / "energy_uj")
        except (OSError, ValueError):
            return []
        found.append((_reader(zone / "energy_uj"), limit))
    return found


def _reader(path: Path) -> Callable[[], float]:
    return lambda: _read_joules(path)


def _read_joules(path: Path) -> float:
    return int(path.read_text("ascii")) / 1e6
