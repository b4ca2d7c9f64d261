"""What this process may use of the machine: cores and memory, and how often the kernel killed for memory.

`root` stands for `/`, so that tests can bring the files of another machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil

__all__ = ["cores", "crowded", "memory_bytes", "oom_kills", "processor_name"]

ROOT = Path("/")


def _read(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").strip()
    return ""


def _cgroups(controller: str, root: Path) -> Iterator[Path]:
    """Yields the folders of the cgroups that limit this process, innermost first.

    In a container the path that the kernel names may lie outside of what is mounted, so every folder up to the
    mount point is tried.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            base = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            base = root / "sys/fs/cgroup" / controller
        else:
            continue
        inner = PurePosixPath(path.lstrip("/"))
        yield from dict.fromkeys(base / part for part in (inner, *inner.parents) if ".." not in part.parts)


def _quota(folder: Path) -> float | None:
    """Returns the cores that a cgroup allows; None where it sets no limit."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    with suppress(ValueError, ZeroDivisionError):
        cores = int(quota) / int(period)
        return cores if cores > 0 else None
    return None


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores(root: Path = ROOT, environ: Mapping[str, str] = os.environ, affinity: int | None = None) -> int:
    """Returns the cores to plan with: the least of affinity, cgroup quota and OMP_NUM_THREADS (above 0), at least 1."""
    limits: list[float] = [affinity or _affinity()]
    limits += [quota for folder in _cgroups("cpu", root) if (quota := _quota(folder))]
    omp_threads = environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if omp_threads.isdigit() and int(omp_threads) > 0:
        limits.append(int(omp_threads))
    return max(1, int(min(limits)))


def memory_bytes(root: Path = ROOT, installed: int | None = None) -> int:
    """Returns the memory to plan with: what is installed, or less where a cgroup allows less."""
    limits = [installed or psutil.virtual_memory().total]
    for folder in _cgroups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit() and int(text) > 0:
                limits.append(int(text))
    return min(limits)


def crowded(cores: int) -> bool:
    """True when more threads wanted to run in the last minute than there are cores: others use this machine too."""
    return os.getloadavg()[0] > cores + 1


def oom_kills(root: Path = ROOT) -> int:
    """Counts the processes of this cgroup that the kernel has killed for memory.

    Where no cgroup counts them, those of the whole machine are counted; 0 where neither is known.
    """
    files = [folder / name for folder in _cgroups("memory", root) for name in ("memory.events", "memory.oom_control")]
    for path in (*files, root / "proc/vmstat"):
        for line in _read(path).splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill" and value.strip().isdigit():
                return int(value)
    return 0


def processor_name(root: Path = ROOT) -> str:
    """Returns the processor's marketing name, or "" where Linux does not say."""
    for line in _read(root / "proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""
