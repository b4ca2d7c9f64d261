"""Finds the accelerators of the machine, by a process of its own that imports torch.

This process never imports torch, and no other one is started on a machine without a sign of an accelerator.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DeviceError, nearest

__all__ = ["KINDS", "Device", "accelerators", "choose", "signs_of_accelerator"]

#: What `engine.device` may name; ROCm calls its devices cuda.
KINDS = ("cuda", "mps", "xpu")
INTEL = "0x8086"
PROBE_S = 120.0
PROBE = """
import json, torch
found = []
if torch.accelerator.is_available():
    kind = torch.accelerator.current_accelerator().type
    for index in range(torch.accelerator.device_count()):
        if kind == "mps":
            name, memory = "Apple " + kind.upper(), torch.mps.recommended_max_memory()
        else:
            properties = torch.get_device_module(kind).get_device_properties(index)
            name, memory = properties.name, properties.total_memory
        found.append([kind, index, name, memory, bool(torch.version.hip)])
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One accelerator; `index` counts the devices that this process may see."""

    kind: str
    index: int
    name: str
    memory_bytes: int
    rocm: bool = False

    @property
    def label(self) -> str:
        """The name that users write: cuda:1."""
        return f"{self.kind}:{self.index}"


def signs_of_accelerator(root: Path = Path("/"), platform: str = sys.platform, torch_version: str = "") -> bool:
    """False where torch cannot have an accelerator; its import, which takes seconds, is skipped then."""
    if torch_version.endswith("+cpu"):
        return False
    if platform == "darwin":
        return True
    if any((root / "dev").glob("nvidia[0-9]*")) or (root / "dev/kfd").exists() or (root / "dev/dxg").exists():
        return True
    vendors = (root / "sys/class/drm").glob("renderD*/device/vendor")
    return any(vendor.read_text(encoding="ascii").strip() == INTEL for vendor in vendors)


def accelerators() -> tuple[Device, ...]:
    """Returns the accelerators that torch sees, in its order; empty on a machine without.

    Raises:
        DeviceError: the process that imports torch failed or did not end in time.
    """
    if not signs_of_accelerator(torch_version=_torch_version()):
        return ()
    command = [sys.executable, "-c", PROBE]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, env=environ, check=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise DeviceError(f"torch cannot look for devices ({reason}); set engine.device=cpu to go on without") from None
    except subprocess.TimeoutExpired:
        raise DeviceError(f"torch found no device in {PROBE_S:.0f} s; set engine.device=cpu to go on without") from None
    return tuple(
        Device(kind=kind, index=index, name=name, memory_bytes=memory, rocm=rocm)
        for kind, index, name, memory, rocm in json.loads(probe.stdout.splitlines()[-1])
    )


def _torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def choose(name: str, devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """Returns the devices of the machine that `engine.device` names; empty means the CPU.

    Raises:
        DeviceError: the machine has no such device; the message names those that it has.
    """
    if name in ("auto", "cpu"):
        return devices if name == "auto" else ()
    chosen = tuple(device for device in devices if name in (device.kind, device.label))
    if chosen:
        return chosen
    present = ", ".join(["cpu", *(f"{device.label} ({device.name})" for device in devices)])
    kind = name.partition(":")[0]
    hint = "" if kind in KINDS else nearest(name, ("auto", "cpu", *KINDS, *(device.label for device in devices)))
    raise DeviceError(
        f"engine.device: '{name}' is not there; this machine has {present}{hint}; auto takes what there is"
    )
