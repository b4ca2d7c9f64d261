"""Cleans up a private Ray session: `python -m harness.engines.ray.reaper FOLDER` waits for the coordinator's end.

When the coordinator is killed, the kernel ends most of Ray's processes; some agents would stay for minutes, and the
folder for good.
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
    """Removes processes and files of the session of `folder` after the block, also when this process is killed."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    watcher = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.engines.ray.reaper", str(folder)],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,  # never written: its end says that we are gone
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C at the terminal must not end it
    )
    try:
        yield
    finally:
        clear(folder)
        watcher.kill()
        watcher.communicate()


def clear(folder: Path) -> None:
    """Kills the remaining processes of the session and removes its folder."""
    end = time.monotonic() + WITHIN_S
    while (left := list(processes(folder))) and time.monotonic() < end:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.5)
    while folder.exists() and time.monotonic() < end:  # its last files may be written while it goes
        shutil.rmtree(folder, ignore_errors=True)


def processes(folder: Path) -> Iterator[psutil.Process]:
    """Yields the processes with an open file of the session: Ray changes their names and environments."""
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
