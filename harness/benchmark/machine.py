"""The facts of this machine: hardware with a stable id, what this process may use of it, clocks and versions.

What only torch or a measurement can tell is in `harness.benchmark.ceiling`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from harness.machine import resources
from harness.machine.devices import Device, accelerators
from harness.records.bench import Machine

__all__ = ["code_version", "describe_machine"]

PACKAGES = ("torch", "transformers", "tokenizers", "numpy")
#: The modules that decide how fast a cell is; other changes of the package leave measurements comparable.
CORE: tuple[str, ...] = ("training", "tasks", "trial.py", "data/batch.py", "data/encoded.py")
CORE += tuple(f"benchmark/{name}.py" for name in ("cell", "data", "flops", "measure", "timing", "work"))
GIB = 2**30


def describe_machine(devices: Sequence[Device] | None = None, root: Path = Path("/")) -> Machine:
    """Returns the machine, not measured yet; `devices` are its accelerators (None: looked up), `root` replaces `/`."""
    devices = accelerators() if devices is None else devices
    hardware = _hardware(devices, root)
    digest = hashlib.sha256(json.dumps(hardware, sort_keys=True).encode()).hexdigest()
    names = [device.name for device in devices] or [hardware["processor"] or hardware["architecture"]]
    return Machine(
        id=digest[:12],
        name=" + ".join(f"{names.count(name)} x {name}" if names.count(name) > 1 else name for name in _unique(names)),
        hardware=hardware,
        limits=_limits(root, os.environ),
        clock_mhz=_clocks(),
        software=_software(root),
    )


def _unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _hardware(devices: Sequence[Device], root: Path) -> dict[str, Any]:
    """Returns the facts that stay the same until the hardware is changed."""
    return {
        "processor": resources.processor_name(root) or platform.processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / GIB),
        "caches": _caches(root),
        "accelerators": [{"name": device.name, "memory_gib": round(device.memory_bytes / GIB)} for device in devices],
    }


def _caches(root: Path) -> dict[str, str]:
    """Returns {"L1d": "32K", ...} of the first core."""
    sizes = {}
    for folder in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
        with suppress(OSError):
            level, kind, size = ((folder / name).read_text("ascii").strip() for name in ("level", "type", "size"))
            sizes[f"L{level}{ {'Data': 'd', 'Instruction': 'i'}.get(kind, '') }"] = size
    return sizes


def _limits(root: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    installed = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else installed
    return {
        "threads": resources.cores(root, environ, affinity),
        "threads_by_affinity": affinity,
        "threads_by_cgroup": resources.cores(root, {}, installed),
        "threads_by_OMP_NUM_THREADS": environ.get("OMP_NUM_THREADS"),
        "memory_mib": resources.memory_bytes(root) // 2**20,
        "container": any((root / name).exists() for name in (".dockerenv", "run/.containerenv")),
    }


def _clocks() -> dict[str, float]:
    """Returns the processor's MHz now and at most, as far as the system tells."""
    frequency = None
    with suppress(OSError, NotImplementedError, AttributeError, RuntimeError):
        frequency = psutil.cpu_freq()
    clocks = {"processor_now": frequency.current, "processor_most": frequency.max} if frequency else {}
    return {name: float(value) for name, value in clocks.items() if value}


def _software(root: Path) -> dict[str, str]:
    versions = {"system": platform.platform(), "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    with suppress(OSError):
        text = (root / "proc/driver/nvidia/version").read_text("utf-8")
        driver = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", text)
        versions["nvidia driver"] = driver.group(1) if driver else text.splitlines()[0]
    return versions


@cache
def code_version() -> str:
    """Returns what two measurements of the same program have in common: this package's core, torch, transformers.

    Read once a process: files that are edited while a benchmark runs do not split it into two.
    """
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for name in CORE:
        path = package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    libraries = " ".join(f"{name} {version(name).partition('+')[0]}" for name in ("torch", "transformers"))
    return f"core {digest.hexdigest()[:10]}, {libraries}"
