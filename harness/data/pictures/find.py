"""Finds the picture that a value of a table means: a path relative to the table, bytes, or bytes and a path."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.data.values import is_missing
from harness.errors import DataError, nearest

__all__ = ["MAX_BYTES", "Picture", "find_picture", "find_pictures"]

#: The most bytes of one picture's file.
MAX_BYTES = 256 * 2**20
#: So many names of a folder are looked at for the nearest one to a file that is not there.
_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture before it is decoded: its bytes, or the regular file that holds them.

    `name` is what the table calls it, and `place` begins messages about it: table, row, column and name. A file may
    hold several pictures: this one has `length` bytes from `start` on. `digest` is the sha256 of the bytes, and `size`
    height and width, where they are known.
    """

    name: str
    place: str
    content: bytes | None = None
    file: Path | None = None
    start: int = 0
    length: int | None = None
    digest: str = ""
    size: tuple[int, int] | None = None

    def read(self) -> bytes:
        """Returns the bytes of the picture.

        Raises:
            DataError: it has none, too many, or cannot be read.
        """
        try:
            content = self.content if self.file is None else _bytes_of(self.file, self.start, self.length)
        except OSError as error:
            raise DataError(f"{self.place}: cannot be read ({error.strerror or error})") from error
        if not content:
            raise DataError(f"{self.place}: is empty (0 bytes); copy the file again, or leave its row out")
        if len(content) > MAX_BYTES:
            raise DataError(f"{self.place}: has more than {MAX_BYTES // 2**20} MiB; save the picture smaller")
        return content

    def sha256(self) -> str:
        """Returns the hash of the bytes, in hex.

        Raises:
            DataError: they cannot be read.
        """
        return self.digest or hashlib.sha256(self.read()).hexdigest()


def _bytes_of(file: Path, start: int, length: int | None) -> bytes:
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(MAX_BYTES + 1 if length is None else length)


def find_pictures(place: str, column: str, values: Sequence[Any], folder: Path | None, root: Path | None) -> list[Any]:
    """Returns the picture of each value of a column; None for a missing one. No picture is decoded.

    Args:
        place: the table, for messages.
        column: the name of the column.
        values: paths, bytes, or mappings of `bytes` and `path` as Hub data sets have them.
        folder: the folder that paths are relative to; None where the values can be no paths.
        root: the folder that every picture must lie in, links followed.

    Raises:
        DataError: a value is no picture, or a file is missing or outside of `root`.
    """
    return [
        None if is_missing(value) else find_picture(f"{place}: row {row}: '{column}'", value, folder, root)
        for row, value in enumerate(values, start=1)
    ]


def find_picture(place: str, value: Any, folder: Path | None, root: Path | None) -> Picture:
    """Returns the picture that a value means; `place` says where the value stands. See `find_pictures`."""
    if isinstance(value, Mapping) and value.keys() >= {"bytes", "path"}:
        name, value = str(value["path"] or ""), value["path"] if value["bytes"] is None else value["bytes"]
    else:
        name = "" if isinstance(value, (bytes, bytearray, memoryview)) else str(value)
    shown = f"{place}: '{name[:120]}'" if name else place
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Picture(name, shown, content=bytes(value))
    if not isinstance(value, str) or is_missing(value):
        raise DataError(
            f"{place} is no picture: {str(value)[:40]!r}; allowed: a path relative to the table, bytes in a Parquet "
            "table, or rows of pixels, [height][width] or [height][width][1 or 3]"
        )
    if "://" in value or value.startswith("data:"):
        raise DataError(f"{shown} is an address; download the picture, and give its path relative to the table")
    if folder is None or root is None:
        raise DataError(f"{shown} is a path, and this data has no folder; give the bytes of the picture")
    return Picture(name, shown, file=_file(shown, value, folder, root))


def _file(shown: str, value: str, folder: Path, root: Path) -> Path:
    """Returns the regular file within `root` that a path means."""
    try:
        found = next((folder / name for name in _spellings(value) if (folder / name).exists()), folder / value)
        real, inside = found.resolve(), root.resolve()
        if not real.is_relative_to(inside):
            raise DataError(
                f"{shown} is outside of the data's folder {root}; copy the pictures into it, and give their paths "
                "relative to the table"
            )
        if real.is_file():
            return real
        what = "is a folder" if real.is_dir() else "is no regular file" if real.exists() else "there is no such file"
        siblings = (path.name for path in islice(real.parent.iterdir(), _NAMES)) if real.parent.is_dir() else ()
        near = "" if real.exists() else nearest(real.name, siblings)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL byte, a name that is too long, links in a circle
        raise DataError(f"{shown} is no path of a file ({error}); correct it") from error
    raise DataError(f"{shown}: {what} (paths are relative to {folder}){near}; correct the path, or leave its row out")


def _spellings(value: str) -> Iterator[str]:
    """Yields a path as it is written, then as Windows, macOS and spaces around it may have changed it."""
    for text in (value, value.strip(), value.strip().replace("\\", "/")):
        yield from (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD")))
