"""Energy counters: of an NVIDIA GPU through NVML, of a processor through RAPL; none where neither can be read.

Nothing is estimated from rated power.
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
        """Starts to count."""
        self._before = [read() for read, _ in self._counters]

    def joules(self) -> float:
        """Returns the energy used since `start`; a counter that went back has overflowed once."""
        total = 0.0
        for before, (read, limit) in zip(self._before, self._counters, strict=True):
            used = read() - before
            total += used + limit if used < 0 and limit is not None else used
        return total


def open_meter(device: torch.device, root: Path = Path("/")) -> Meter | None:
    """Returns the meter of the energy that `device` uses; None where nothing can be read."""
    if device.type == "cpu":
        counters = rapl_counters(root)
        return Meter("RAPL, processor packages", counters) if counters else None
    counter = nvml_counter(device) if device.type == "cuda" else None
    return Meter("NVML, GPU board", [counter]) if counter else None


def nvml_counter(device: torch.device) -> Counter | None:
    """Returns the total-energy counter of a GPU (Volta and later), which is found by its UUID."""
    with suppress(Exception):  # not installed, no driver, a ROCm card or an old one: there is no counter
        nvml: Any = import_module("pynvml")
        nvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000, None
    return None


def rapl_counters(root: Path = Path("/")) -> list[Counter]:
    """Returns a counter for each processor package; [] where there are none or only root may read them."""
    counters: list[Counter] = []
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]*")):
        # Sub-zones (core, dram: intel-rapl:0:0) are part of their package, or are not counted.
        if zone.name.count(":") != 1:
            continue
        try:
            limit = _read_joules(zone / "max_energy_range_uj")
            _read_joules(zone / "energy_uj")
        except (OSError, ValueError):
            return []
        counters.append((_reader(zone / "energy_uj"), limit))
    return counters


def _reader(path: Path) -> Callable[[], float]:
    return lambda: _read_joules(path)


def _read_joules(path: Path) -> float:
    return int(path.read_text("ascii")) / 1e6
