"""Transfer of files between coordinator and nodes: packed folders, and a storage that all nodes see.

A storage is a folder or a URL that pyarrow knows (s3://, gs://, file://).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import EngineError
from harness.spec.space import Frozen

__all__ = [
    "COMPLETE",
    "Parcel",
    "copy_in",
    "copy_out",
    "folders",
    "key_of",
    "mark_complete",
    "newest_complete",
    "pack",
    "remove",
    "unpack",
]

#: A file in a copied snapshot with names and sizes of its files, by which an incomplete copy is recognised.
COMPLETE = "complete.json"


class Parcel(Frozen):
    """A folder that trials need: its `name` in configs, its `path` at the coordinator, the `key` of its content."""

    name: str
    path: str
    key: str = ""


def pack(folder: Path) -> bytes:
    """Returns the files under `folder` as one archive, equal for equal content; links are followed."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    buffer = io.BytesIO()
    # The Hub's cache is made of links that lead out of the folder.
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, arcname=path.relative_to(folder).as_posix(), filter=plain)
    return buffer.getvalue()


def key_of(packed: bytes) -> str:
    """Returns the name of a packed folder in caches."""
    return hashlib.sha256(packed).hexdigest()[:32]


def unpack(packed: bytes, folder: Path) -> None:
    """Writes the files of `pack` into the new `folder`, and none outside of it."""
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _open(place: str) -> tuple[Any, str]:
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    try:
        system, path = FileSystem.from_uri(place)
    except (ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"engine.storage_path: '{place}' cannot be used ({reason[:160]})") from error
    return system, path


def copy_out(folder: Path, place: str) -> None:
    """Copies the files of `folder` to `place` of a storage."""
    from pyarrow.fs import copy_files

    system, path = _open(place)
    system.create_dir(path, recursive=True)
    copy_files(str(folder), path, destination_filesystem=system)


def copy_in(place: str, folder: Path) -> None:
    """Copies the files at `place` of a storage into `folder`."""
    from pyarrow.fs import copy_files

    system, path = _open(place)
    copy_files(path, str(folder), source_filesystem=system)
    (folder / COMPLETE).unlink(missing_ok=True)


def remove(place: str) -> None:
    """Removes a folder of a storage, if it is there."""
    with suppress(OSError):
        system, path = _open(place)
        system.delete_dir(path)


def mark_complete(folder: Path) -> None:
    """Writes the list of a snapshot's files, before it is copied."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / COMPLETE).write_text(json.dumps(sizes), encoding="utf-8")


def folders(place: str) -> list[str]:
    """Returns the names of the folders at `place` of a storage; none where it does not exist."""
    system, path = _open(place)
    return sorted(info.base_name for info in _folders(system, path))


def newest_complete(place: str, prefix: str) -> str:
    """Returns the last complete checkpoint in folders of `place` that begin with `prefix`; "" without one."""
    system, path = _open(place)
    checkpoints = [
        checkpoint
        for trial in _folders(system, path)
        if trial.base_name.startswith(prefix)
        for checkpoint in _folders(system, trial.path)
        if checkpoint.base_name.startswith("checkpoint_") and _is_complete(system, checkpoint.path)
    ]
    newest = max(checkpoints, key=lambda info: info.mtime_ns or 0, default=None)
    return f"{place}/{newest.path[len(path) :].lstrip('/')}" if newest is not None else ""


def _folders(system: Any, path: str) -> Iterator[Any]:
    from pyarrow.fs import FileSelector, FileType

    for info in system.get_file_info(FileSelector(path, allow_not_found=True)):
        if info.type == FileType.Directory:
            yield info


def _is_complete(system: Any, path: str) -> bool:
    try:
        with system.open_input_stream(f"{path}/{COMPLETE}") as file:
            sizes = json.loads(file.read())
    except (OSError, ValueError):
        return False
    infos = system.get_file_info([f"{path}/{name}" for name in sizes])
    return all(info.size == size for info, size in zip(infos, sizes.values(), strict=True))
