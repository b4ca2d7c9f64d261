"""The end of a private Ray session: `python -m harness.engines.ray.reaper FOLDER` waits for the coordinator to go.

Knows nothing of Ray. When the coordinator is killed the kernel takes most of Ray's processes with it; some of its
agents would stay for minutes, and the folder for good.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

__all__ = ["main", "processes", "watched"]

WITHIN_S = 5.0


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """After the block, and as well when this process is killed in it, the session of `folder` leaves nothing."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    watcher = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.engines.ray.reaper", str(folder)],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,  # never written: its end is the sign
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the terminal is not for it
    )
    try:
        yield
    finally:
        clear(folder)
        watcher.kill()
        watcher.communicate()


def clear(folder: Path) -> None:
    """Kills what is left of the session and removes its folder."""
    end = time.monotonic() + WITHIN_S
    while (left := list(processes(folder))) and time.monotonic() < end:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.5)
    while folder.exists() and time.monotonic() < end:  # its last files may be written while it goes
        shutil.rmtree(folder, ignore_errors=True)


def processes(folder: Path) -> Iterator[psutil.Process]:
    """Those with a file of the session open, a log at least: Ray changes names and environments of its processes."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(Path(file.path).is_relative_to(folder) for file in _files(process)):
                yield process


def _files(process: psutil.Process) -> list[Any]:
    return process.open_files() if process.uids().real == os.getuid() else []


def main() -> None:
    """Waits for the end of standard input, which is the end of the coordinator."""
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    clear(folder)


if __name__ == "__main__":
    main()
