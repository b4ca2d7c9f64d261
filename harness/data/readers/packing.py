"""Tells that a file whose name says gzip, bzip2, xz or zip is not packed so, and what it is."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from harness.data.readers.file import TableFile
from harness.data.readers.signature import check_signature, table_ending
from harness.errors import DataError

__all__ = ["check_packing"]

#: What the ending of a packed file's name says that it is, and its first bytes.
_PACKINGS: Mapping[str, tuple[str, bytes]] = {
    ".gz": ("gzip", b"\x1f\x8b"),
    ".bz2": ("bzip2", b"BZh"),
    ".xz": ("xz", b"\xfd7zXZ"),
    ".zip": ("zip", b"PK"),
}
_HEAD_BYTES = 512


def check_packing(path: Path) -> None:
    """Refuses a file that is not packed as its name says; one of any other ending is not read.

    Raises:
        DataError: what it is, and what to name it or to do.
        OSError: it cannot be read.
    """
    if path.suffix.lower() not in _PACKINGS:
        return
    title, start = _PACKINGS[path.suffix.lower()]
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith(start) or (title == "zip" and zipfile.is_zipfile(path)):
        return
    for ending, (other, known) in _PACKINGS.items():
        if head.startswith(known):
            raise DataError(
                f"{path}: is packed with {other}, where its name says {title}; rename it: mv {path.name} "
                f"{path.stem}{ending}"
            )
    file = TableFile(str(path), path.name, lambda: path.open("rb"))
    if ending := table_ending(head):
        name = path.stem if Path(path.stem).suffix else f"{path.stem}{ending}"
        raise DataError(
            f"{path}: is text that is not packed, where its name says {title}; rename it: mv {path.name} {name}"
        )
    check_signature(file, title, (start,))
