"""Looks at the machine: system, cores, memory, disk, accelerators, and how fast they multiply."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.data.cache import default_cache
from harness.errors import DeviceError, InputError
from harness.jobs.doctor.finding import Finding, State
from harness.machine import resources
from harness.machine.devices import Device, accelerators, signs_of_accelerator
from harness.records.files import can_write

__all__ = ["cores", "devices", "disk", "memory", "products", "system"]

GIB = 2**30
#: Free disk below which a run is in danger, and below which none can be begun: a small model is 0.1 to 0.5 GiB.
LITTLE_DISK, NO_DISK = 5 * GIB, GIB // 4
#: Memory below which trials run one at a time, and below which torch and a small model do not fit.
LITTLE_MEMORY, NO_MEMORY = int(2.5 * GIB), GIB
#: The longest that the process which multiplies may take; importing torch takes seconds of it.
PRODUCTS_S = 120.0


def system(name: str = sys.platform) -> Finding:
    """Says whether the package runs on this system."""
    text = f"{platform.platform()}, Python {platform.python_version()}"
    if name == "linux":
        return Finding(what="system", state="ok", text=text)
    if name == "darwin":
        remedy = "tested is Linux; please report what fails"
        return Finding(what="system", state="note", text=f"{text}: macOS is untested", remedy=remedy)
    return Finding(what="system", state="stops", text=f"{text}: not supported", remedy="use Linux (on Windows: WSL 2)")


def cores(root: Path = Path("/")) -> Finding:
    """Counts the cores that this process may use."""
    usable, installed = resources.cores(root), os.cpu_count() or 1
    text = f"{usable} of {installed} {resources.processor_name(root)}".strip()
    if resources.crowded(usable):
        remedy = "stop other programs, or wait: timings and budgets mean little until then"
        return Finding(what="cores", state="note", text=f"{text}; others use them too", remedy=remedy)
    if usable < installed:
        remedy = "fewer by affinity, the cgroup's quota or OMP_NUM_THREADS; raise that limit to use all"
        return Finding(what="cores", state="note", text=text, remedy=remedy)
    return Finding(what="cores", state="ok", text=text)


def memory(root: Path = Path("/"), installed: int | None = None, available: int | None = None) -> Finding:
    """Compares the memory that a sweep may use, in bytes, with what trials need."""
    installed = installed or psutil.virtual_memory().total
    available = available or psutil.virtual_memory().available
    limit = resources.memory_bytes(root, installed)
    free = min(limit, available)
    cgroup = f", of which the cgroup allows {limit / GIB:.1f} GiB" if limit < installed else ""
    text = f"{free / GIB:.1f} GiB free of {installed / GIB:.1f} GiB{cgroup}"
    state: State = "stops" if free < NO_MEMORY else "note" if free < LITTLE_MEMORY else "ok"
    remedies = {
        "stops": "end other programs or raise the limit: torch and a small model need 1 GiB at least",
        "note": "a trial of a small model takes up to 2.5 GiB: a smaller training.batch_size or data.max_length helps",
    }
    return Finding(what="memory", state=state, text=text, remedy=remedies.get(state, ""))


def disk(runs: Path = Path("runs")) -> Iterator[Finding]:
    """Yields the free space for run folders and for the cache of prepared data."""
    yield _room("disk of runs", runs, "--runs DIR")
    try:
        yield _room("disk of cache", default_cache(), "HARNESS_CACHE=DIR")
    except InputError as error:
        yield Finding(what="disk of cache", state="stops", text=str(error), remedy="set HARNESS_CACHE=DIR")


def _room(what: str, folder: Path, option: str) -> Finding:
    absolute = folder.absolute()
    place = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not can_write(place):
        text = f"{place} cannot be written"
        return Finding(what=what, state="stops", text=text, remedy=f"choose another folder with {option}")
    free = shutil.disk_usage(place).free
    state: State = "stops" if free < NO_DISK else "note" if free < LITTLE_DISK else "ok"
    remedy = "" if state == "ok" else f"make room, or choose another disk with {option}"
    return Finding(what=what, state=state, text=f"{free / GIB:.1f} GiB free for {absolute}", remedy=remedy)


def devices(torch_version: str) -> tuple[Finding, tuple[Device, ...]]:
    """Looks for accelerators; returns what to say of them, and the accelerators that torch sees."""
    try:
        found = accelerators()
    except DeviceError as error:
        return Finding(what="devices", state="stops", text=str(error), remedy="engine.device=cpu goes on without"), ()
    if found:
        listed = ", ".join(f"{device.label} {device.name} ({device.memory_bytes / GIB:.0f} GiB)" for device in found)
        return Finding(what="devices", state="ok", text=listed), found
    if torch_version and signs_of_accelerator():
        text = f"cpu; there are signs of an accelerator, which torch {torch_version} does not see"
        remedy = "install a torch with CUDA, ROCm or XPU, and check the driver (nvidia-smi)"
        return Finding(what="devices", state="note", text=text, remedy=remedy), ()
    return Finding(what="devices", state="ok", text="cpu"), ()


def products(found: tuple[Device, ...], timeout_s: float = PRODUCTS_S) -> Finding:
    """Measures matrix products by precision on the first device, in a process of its own that imports torch."""
    label = found[0].label if found else "cpu"
    command = [sys.executable, "-m", "harness.jobs.doctor.multiply", label, str(resources.cores())]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    remedy = "torch does not compute here; install it again: pip install --force-reinstall torch"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=environ, check=True)
        gflops: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        return Finding(what="products", state="stops", text=f"{label}: {reason}", remedy=remedy)
    except subprocess.TimeoutExpired:
        text = f"{label}: not measured in {timeout_s:.0f} s"
        return Finding(what="products", state="note", text=text, remedy="try again when the machine is idle")
    listed = ", ".join(f"{name} {speed:,.0f} GFLOP/s" for name, speed in gflops.items())
    return Finding(what="products", state="ok", text=f"{label}: {listed}")
