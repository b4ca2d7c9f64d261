"""Measures what a device can do at most: matrix products by precision, and memory traffic.

It runs as a trial in the process of a slot, as cells do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

from harness.benchmark.outcome import Outcome
from harness.data.prepared import PreparedData
from harness.records.bench import Setup
from harness.spec.trial import TrialConfig
from harness.training import device as devices
from harness.training.host import Host
from harness.training.precision import chosen_precision
from harness.training.weights import DTYPES

__all__ = ["copy_bandwidth", "matmul_ceiling", "measure_setup"]

#: Sizes of square products: large enough to be bound by arithmetic, small enough to repeat.
SIZES = {"cpu": (1024, 2048), "accelerator": (4096, 8192)}
COPIED_BYTES = {"cpu": 2**28, "accelerator": 2**30}
#: Seconds for each size and precision; after a product that takes longer, no larger size is measured.
SECONDS = 0.4


def measure_setup(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[Outcome]:
    """A trial function: measures the ceilings of `config.params["precisions"]`, and what `auto` means for the trial."""
    started = psutil.Process().create_time()
    device = devices.bind(host.place)
    start_s = max(0.0, time.time() - started)
    auto = chosen_precision(config, PreparedData(Path(data)), host)
    precisions = config.params.get("precisions")
    precisions = precisions if isinstance(precisions, tuple) else ()
    names = {auto.precision, *(auto.precision if name == "auto" else str(name) for name in precisions)}
    measured = Setup(
        device=host.place.device,
        threads=host.place.threads,
        device_name=host.place.device_name,
        ceiling={name: matmul_ceiling(device, DTYPES[name]) / 1e9 for name in sorted(names)},
        memory_bandwidth_gib_per_second=copy_bandwidth(device) / 2**30,
        auto_precision=auto.precision,
        auto_reason=auto.reason,
        process_start_s=start_s,
        software=_libraries(device),
    )
    devices.empty_cache(device)
    yield Outcome(config, measured.model_dump(mode="json"))


def matmul_ceiling(device: torch.device, dtype: torch.dtype, sizes: tuple[int, ...] | None = None) -> float:
    """Returns FLOP/s of the fastest of repeated square matrix products."""
    best = 0.0
    for size in sizes or SIZES["cpu" if device.type == "cpu" else "accelerator"]:
        a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        seconds = _fastest(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), device)  # type: ignore[misc]
        best = max(best, 2 * size**3 / seconds)
        if seconds > SECONDS:
            break
    return best


def copy_bandwidth(device: torch.device, num_bytes: int | None = None) -> float:
    """Returns the bytes/s that a copy too large for the caches reads and writes."""
    count = num_bytes or COPIED_BYTES["cpu" if device.type == "cpu" else "accelerator"]
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * count / _fastest(lambda: target.copy_(source), device)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Returns the seconds of the fastest call; an accelerator gets ten calls at once, to hide the launches."""
    queued = 1 if device.type == "cpu" else 10
    work()
    devices.synchronize(device)
    best, until = float("inf"), time.perf_counter() + SECONDS
    while True:
        start = time.perf_counter()
        for _ in range(queued):
            work()
        devices.synchronize(device)
        now = time.perf_counter()
        best = min(best, (now - start) / queued)
        if now > until:
            return best


def _libraries(device: torch.device) -> dict[str, str]:
    """Returns the versions of what computes: instruction set, CUDA or ROCm and cuDNN."""
    libraries = {"cpu capability": torch.backends.cpu.get_cpu_capability()}
    if device.type == "cuda":
        versions = {"cuda": torch.version.cuda, "rocm": torch.version.hip, "cudnn": torch.backends.cudnn.version()}
        libraries |= {name: str(value) for name, value in versions.items() if value}
    return libraries
