"""Writes files and folders atomically: an error, a kill or a power cut leaves the old content or the new.

New content is written beside its target, synced to the disk, and renamed into place. The parent folder is synced after
that, because the rename is a change of that folder.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import math
import os
import shutil
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = [
    "can_write",
    "fill_folder",
    "leftovers",
    "plain",
    "replace_folder",
    "sha256_of",
    "staging_path",
    "write_bytes",
    "write_json",
    "write_text",
]

#: Error codes of systems and file systems that lack the call.
NOT_POSSIBLE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
#: Linux, renameat2(2): paths are relative to the current folder, and the two are exchanged.
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def write_bytes(path: Path, content: bytes, *, private: bool = False, durable: bool = True) -> Path:
    """Writes a file and returns its path; a reader sees the old file or the new one.

    Args:
        path: Where the file belongs; its folder must exist. A link there is replaced, not followed.
        content: The whole content.
        private: Gives the file mode 0600. Otherwise it has the mode of the old file, or the default mode.
        durable: Waits for the disk. Without it a power cut may leave the file empty.
    """
    temporary = path.with_name(f".{path.name[:40]}.{threading.get_native_id()}.tmp")
    temporary.unlink(missing_ok=True)  # left by a writer of the same number that was killed
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "wb") as file:
            if not private:
                _copy_mode(descriptor, path)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)
    return path


def _copy_mode(descriptor: int, path: Path) -> None:
    with suppress(FileNotFoundError):
        before = path.lstat().st_mode
        if stat.S_ISREG(before):
            os.fchmod(descriptor, stat.S_IMODE(before))


def write_text(path: Path, text: str, *, private: bool = False, durable: bool = True) -> Path:
    """Writes a text file in UTF-8, with line ends as they are in `text`; see `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"), private=private, durable=durable)


def write_json(path: Path, value: Any, *, durable: bool = True) -> Path:
    """Writes `value` as JSON for its owner only, NaN and infinity as null; see `write_bytes`."""
    text = json.dumps(plain(value), indent=1, allow_nan=False)
    return write_text(path, text, private=True, durable=durable)


def plain(value: Any) -> Any:
    """`value` as standard JSON can hold it: None in the place of NaN and infinity, lists in the place of tuples."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def fill_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Calls `fill` with a new folder of mode 0700, and puts that in the place of `folder`.

    When `fill` raises, the old folder stays as it was. Only one process may write `folder` at a time.
    """
    new = staging_path(folder)
    _put_back(folder)
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(mode=0o700)
        fill(new)
        replace_folder(new, folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def replace_folder(staged: Path, folder: Path) -> None:
    """Puts the finished folder `staged` in the place of `folder`, which may be missing; both on one file system.

    A reader sees the old folder or the new one. Where two folders cannot be exchanged in one step (outside of Linux, on
    NFS), it may see none for a moment; a kill in that moment leaves the old one in `leftovers`, and the next call puts
    it back first.
    """
    _put_back(folder)
    _sync_tree(staged)
    old = _old_path(folder)
    shutil.rmtree(old, ignore_errors=True)
    if not folder.exists():
        staged.rename(folder)
    elif not _exchange(staged, folder):
        _rename_both(staged, folder, old)
    _sync_folder(folder.parent)
    shutil.rmtree(staged, ignore_errors=True)  # after an exchange it holds the old folder
    shutil.rmtree(old, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two folders in one step; False where that is not possible."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (*NOT_POSSIBLE, errno.EXDEV):
        return False
    raise OSError(code, os.strerror(code), str(second))


def _rename_both(staged: Path, folder: Path, old: Path) -> None:
    """Moves `folder` to `old` and `staged` to `folder`; the first is undone when the second fails."""
    try:
        folder.rename(old)
        staged.rename(folder)
    except BaseException:
        _put_back(folder)
        raise


def _put_back(folder: Path) -> None:
    """Undoes a replacement that ended between its two renames."""
    old = _old_path(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hex; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def can_write(folder: Path) -> bool:
    """True when this process may write into `folder`, or make it."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def staging_path(folder: Path) -> Path:
    """The path beside `folder` where its new content is written."""
    return folder.with_name(f".{folder.name}.new")


def _old_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def leftovers(folder: Path) -> tuple[Path, ...]:
    """The paths that a killed writer of `folder` may have left behind."""
    return staging_path(folder), _old_path(folder)


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            _sync_folder(path)
        elif not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Syncs the entries of `folder` to the disk; file systems that cannot do it are skipped."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in (*NOT_POSSIBLE, errno.EBADF, errno.EACCES):
            raise
