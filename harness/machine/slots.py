"""The slots that a machine offers: the device of each, its threads, its environment and its memory.

torch is never imported here.
"""

from __future__ import annotations

import os
import platform
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.machine import resources
from harness.machine.devices import Device, accelerators, choose
from harness.records.schema import Place
from harness.spec.study import EngineSpec

__all__ = ["Slot", "plan_slots"]

#: A process with torch, transformers and a small model under training takes about this much.
CPU_SLOT_BYTES = int(2.5 * 2**30)
GIB = 2**30
#: The share of a slot's memory that paused trials may hold; the rest is for the trial that runs.
PAUSED_SHARE = 0.4

#: Set for every worker unless the user set it.
COMMON = {
    "TOKENIZERS_PARALLELISM": "false",
    # Batches of changing length make glibc hand memory back and fault it in again at every step: keeping it made a
    # loop of such allocations six times faster (16.1 s against 2.8 s; glibc 2.36, 32 to 144 MiB each).
    "MALLOC_MMAP_THRESHOLD_": str(4 * GIB),
    "MALLOC_TRIM_THRESHOLD_": str(64 * GIB),
}
CUDA = {"PYTORCH_ALLOC_CONF": "expandable_segments:True", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


@dataclass(frozen=True, slots=True)
class Slot:
    """A share of a device. `env` binds a process to it, so it must be set before the process starts."""

    place: Place
    env: dict[str, str] = field(default_factory=dict)
    memory_bytes: int = 0
    """The slot's share of its device's memory."""

    def standing_bytes(self, budget_bytes: int | None) -> int:
        """Returns how much memory paused trials may hold here: `budget_bytes`, or a share of the slot's memory."""
        return int(self.memory_bytes * PAUSED_SHARE) if budget_bytes is None else budget_bytes

    @property
    def inside(self) -> Place:
        """The place as the bound process sees it: its one accelerator is number 0."""
        kind, _, _ = self.place.device.partition(":")
        bound = any(name in self.env for name in BINDINGS)
        return self.place.model_copy(update={"device": f"{kind}:0"}) if bound else self.place


BINDINGS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The cores and the memory that slots share."""

    cores: int
    memory_bytes: int
    processor: str = ""
    node: str = ""


def plan_slots(engine: EngineSpec, *, num_trials: int) -> tuple[Slot, ...]:
    """Returns the slots for a study of `num_trials` trials, at least one.

    Raises:
        DeviceError: the machine has no such device.
    """
    machine = Capacity(
        cores=resources.cores(),
        memory_bytes=resources.memory_bytes(),
        processor=resources.processor_name() or platform.processor(),
        node=socket.gethostname(),
    )
    devices = () if engine.device == "cpu" else choose(engine.device, accelerators())
    most = min(num_trials, engine.max_concurrent or num_trials) if engine.name != "inline" else 1
    if devices:
        return device_slots(engine, devices, machine, most=most)
    return cpu_slots(engine, machine, most=most)


def cpu_slots(engine: EngineSpec, machine: Capacity, *, most: int) -> tuple[Slot, ...]:
    """Shares out the cores: as many slots as there are cores and memory, unless the study says how many."""
    threads = None if engine.threads_per_slot == "auto" else engine.threads_per_slot
    if engine.slots_per_device == "auto":
        count = min(machine.cores // (threads or 1), machine.memory_bytes // CPU_SLOT_BYTES)
    else:
        count = engine.slots_per_device
    count = max(1, min(count, most))
    threads = threads or max(1, machine.cores // count)
    return tuple(
        Slot(
            Place(node=machine.node, device="cpu", slot=index, threads=threads, device_name=machine.processor),
            _environment(threads),
            machine.memory_bytes // count,
        )
        for index in range(count)
    )


def device_slots(
    engine: EngineSpec,
    devices: tuple[Device, ...],
    machine: Capacity,
    *,
    most: int,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Slot, ...]:
    """Returns a slot for each accelerator, or as many as the study says; every device gets one before any gets two."""
    slots_per_device = 1 if engine.slots_per_device == "auto" else engine.slots_per_device
    shares = [device for _ in range(slots_per_device) for device in devices][: max(1, most)]
    threads = max(1, machine.cores // len(shares)) if engine.threads_per_slot == "auto" else engine.threads_per_slot
    sharers = Counter(device.label for device in shares)
    return tuple(
        Slot(
            Place(node=machine.node, device=device.label, slot=index, threads=threads, device_name=device.name),
            _environment(threads, environ) | _binding(device, environ),
            device.memory_bytes // sharers[device.label],
        )
        for index, device in enumerate(shares)
    )


def _environment(threads: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    counts = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return counts | {name: value for name, value in COMMON.items() if name not in environ}


def _binding(device: Device, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that make `device` the only one that a process sees.

    They number devices as the user's own choice of visible devices does, if there is one.
    """
    if device.kind == "xpu":
        return {"ZE_AFFINITY_MASK": _visible_name(device.index, environ.get("ZE_AFFINITY_MASK"))}
    if device.kind != "cuda":
        return {}
    name = "CUDA_VISIBLE_DEVICES"
    if device.rocm and (name not in environ or "HIP_VISIBLE_DEVICES" in environ):
        name = "HIP_VISIBLE_DEVICES"
    allocator = {key: value for key, value in CUDA.items() if key not in environ}
    return {name: _visible_name(device.index, environ.get(name))} | allocator


def _visible_name(index: int, visible: str | None) -> str:
    names = [name.strip() for name in visible.split(",")] if visible else []
    return names[index] if index < len(names) else str(index)
