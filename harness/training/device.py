"""The device of a slot: its threads, memory, synchronisation and random state, for each kind of device."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from harness.errors import DeviceError
from harness.records.schema import Place

__all__ = [
    "CAPTURES",
    "RandomState",
    "bind",
    "empty_cache",
    "free_memory_bytes",
    "has_step_graphs",
    "is_out_of_memory",
    "kept_random",
    "peak_memory_mib",
    "reserved_bytes",
    "reset_peak_memory",
    "synchronize",
    "torch_device",
    "upload",
    "use_threads",
]


#: Held while a graph is captured, and while another thread copies from the device: during a capture CUDA refuses calls
#: that may allocate, whichever thread makes them.
CAPTURES = threading.RLock()


def torch_device(place: Place) -> torch.device:
    """Returns the torch device of a place, as this process numbers its devices.

    Raises:
        DeviceError: torch has no such accelerator in this process.
    """
    kind, _, index = place.device.partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or accelerator.type != kind:
        available = accelerator.type if accelerator else "cpu only"
        raise DeviceError(f"device '{place.device}' is not there (found: {available}); set engine.device=auto")
    return torch.device(kind, int(index or 0))


def use_threads(count: int) -> None:
    """Makes torch compute with `count` threads."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def bind(place: Place) -> torch.device:
    """Sets this process's threads for `place`, makes its device the current one and returns it."""
    use_threads(place.threads)
    device = torch_device(place)
    if device.type != "cpu":
        torch.accelerator.set_device_index(device.index or 0)
    return device


def synchronize(device: torch.device) -> None:
    """Waits until the device has done all queued work, so that a clock may be read."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def empty_cache(device: torch.device) -> None:
    """Frees the device memory that torch only caches."""
    if device.type != "cpu":
        torch.accelerator.empty_cache()


def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copies a host tensor to `device`. On CUDA and XPU the copy is queued, and the host does not wait for it."""
    if device.type in ("cuda", "xpu"):
        tensor = tensor.pin_memory()  # from other memory the copy may wait for the queue
    return tensor.to(device, non_blocking=True)


def has_step_graphs(device: torch.device) -> bool:
    """Whether passes can be captured as CUDA graphs. Before torch 2.13 a failed capture spoils the random state."""
    return device.type == "cuda" and torch.__version__ >= "2.13"


def reserved_bytes(device: torch.device) -> int:
    """Returns the device memory that torch holds in this process, in use or not; 0 on the CPU and on MPS."""
    return int(torch.accelerator.memory_reserved(device)) if device.type in ("cuda", "xpu") else 0


def free_memory_bytes(device: torch.device) -> int | None:
    """Returns how much of an accelerator's memory this process could still get; None on the CPU and on MPS."""
    if device.type not in ("cuda", "xpu"):
        return None
    free, _ = torch.get_device_module(device).mem_get_info(device)
    return int(free) + reserved_bytes(device) - int(torch.accelerator.memory_allocated(device))


def reset_peak_memory(device: torch.device) -> None:
    """Starts a new peak.

    On Linux CPUs this resets the process's high-water mark of resident memory, and gives back what earlier trials of
    the process have freed: their peak is not the next one's.
    """
    if device.type == "cpu":
        with suppress(OSError, AttributeError):  # glibc only
            ctypes.CDLL(None).malloc_trim(0)
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    elif device.type in ("cuda", "xpu"):
        torch.accelerator.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """Returns the peak in MiB: of allocated memory on an accelerator, of this process's resident memory on a CPU."""
    if device.type in ("cuda", "xpu"):
        return float(torch.accelerator.max_memory_allocated(device)) / 2**20
    if device.type == "mps":
        return float(torch.mps.driver_allocated_memory()) / 2**20
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is an error by which an accelerator reports that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def _random(device: torch.device) -> dict[str, torch.Tensor]:
    """Returns the global random state of the CPU and of `device`."""
    state = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        state["device"] = torch.get_device_module(device).get_rng_state(*_device_argument(device))
    return state


def _set_random(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if "device" in state:
        torch.get_device_module(device).set_rng_state(state["device"], *_device_argument(device))


def _device_argument(device: torch.device) -> tuple[torch.device, ...]:
    return () if device.type == "mps" else (device,)


@contextmanager
def kept_random(device: torch.device) -> Iterator[None]:
    """Restores the global random state at the end of the block."""
    outer = _random(device)
    try:
        yield
    finally:
        _set_random(outer, device)


class RandomState:
    """The random state of one trial, swapped in while it runs and out while it is paused."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        with kept_random(device):
            torch.manual_seed(seed)
            self.state = _random(device)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Makes this the global state within the block; the earlier global state comes back after it."""
        with kept_random(self._device):
            _set_random(self.state, self._device)
            try:
                yield
            finally:
                self.state = _random(self._device)
