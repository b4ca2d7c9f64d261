"""`harness doctor`: whether this machine and this installation can run a sweep, and what to do where not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.jobs.doctor import hardware, software
from harness.jobs.doctor.finding import Finding

__all__ = ["Finding", "examine"]


def examine(runs: Path = Path("runs"), *, measure: bool = True) -> Iterator[Finding]:
    """Yields a line for each part, as soon as it is known.

    Args:
        runs: where run folders go.
        measure: measures matrix products, which imports torch in a process of its own; nothing else imports it.
    """
    yield hardware.system()
    yield hardware.cores()
    yield hardware.memory()
    yield from hardware.disk(runs)
    yield from software.versions()
    torch = software.installed("torch")
    if torch:
        finding, devices = hardware.devices(torch)
        yield finding
        if measure:
            yield hardware.products(devices)
    yield software.hub()
    yield software.ray()
    yield software.compiled()
    yield software.browser()
