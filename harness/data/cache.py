"""The cache of prepared data: where it is, and how a folder of it is made exactly once."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.errors import InputError
from harness.records.files import can_write, replace_folder
from harness.runtime import expanded

__all__ = ["built_once", "default_cache", "private_folder"]


def default_cache() -> Path:
    """Returns $HARNESS_CACHE; else, of $XDG_CACHE_HOME/harness and ~/.cache/harness, the first that can be written.

    Without either (no home, another user's home) it is a folder of this user's own among the temporary files.

    Raises:
        InputError: there is no such folder.
    """
    own, shared = os.environ.get("HARNESS_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return expanded(own)
    home = expanded("~/.cache")
    for folder in (Path(shared or home), home):
        if folder.is_absolute() and can_write(folder):
            return folder / "harness"
    folder = Path(tempfile.gettempdir()) / f"harness-{os.getuid()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
    raise InputError("no folder for the cache of prepared data can be written: name one in HARNESS_CACHE")


def private_folder(path: Path) -> Path:
    """Returns `path`; makes it and the missing folders above it, readable for this user only."""
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
    return path


def built_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Returns `folder`; if it is not there, exactly one process builds it, completely or not at all.

    `build` gets a path beside `folder` that does not exist yet; the result is synced to disk and renamed. Other
    processes wait on a lock meanwhile (flock: the kernel releases it when its holder dies, however it dies).
    """
    if folder.is_dir():
        return folder
    private_folder(folder.parent)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        for dead in folder.parent.glob(f".{folder.name}.tmp*"):  # left by a holder that was killed
            shutil.rmtree(dead, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.tmp", dir=folder.parent))
        try:
            build(staging / "new")
            replace_folder(staging / "new", folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return folder
