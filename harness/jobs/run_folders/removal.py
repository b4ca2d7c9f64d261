"""Removes run folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.errors import RunError
from harness.jobs.run_folders.listing import size_of
from harness.records.rundir import RunFolder, nearest_run

__all__ = ["checked", "remove"]


def checked(path: Path) -> RunFolder:
    """The run folder at a path.

    Raises:
        RunError: it is a link or no run folder, or a process works on it.
    """
    folder = RunFolder(path)
    if path.is_symlink():
        raise RunError(f"{path} is a symbolic link; remove the run that it points to: {path.readlink()}")
    if not folder.exists:
        raise RunError(f"{path} is not a run folder (no manifest.json), and is not removed{nearest_run(path)}")
    if folder.is_held() or folder.read_live().is_alive():
        raise RunError(f"a process works on {path}; stop it first")
    return folder


def remove(path: Path) -> int:
    """Removes a run with its trials, its export and its records, and returns how many bytes that frees.

    It is renamed first, so that nothing finds a half of it.

    Raises:
        RunError: it is no run folder, or a process works on it.
    """
    folder = checked(path)
    with folder.lock():
        size = size_of(folder.path)
        gone = folder.path.with_name(f".{folder.path.name}.removed-{os.getpid()}")
        folder.path.rename(gone)
        shutil.rmtree(gone)
    return size
