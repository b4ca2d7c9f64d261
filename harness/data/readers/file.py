"""Opens the bytes of a table: of a file, or of the only file in a packed one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from harness.errors import DataError

__all__ = ["DOCUMENT", "PACKED", "TableFile", "open_table", "table_name"]

#: A packed file may unpack to this many bytes, or to this many times its own size, but never to more than the last.
SMALL_BYTES, MAX_RATIO, MAX_BYTES = 256 * 2**20, 100, 16 * 2**30
_PACKERS: Mapping[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED = (*_PACKERS, ".zip")
#: What file managers leave in folders, and so in zip files.
_CLUTTER = frozenset(["desktop.ini", "thumbs.db", "ehthumbs.db", "icon\r"])
#: What lies beside the table in a zip file, for people.
DOCUMENT = re.compile(
    r"(readme|licen[cs]e|citation|copying|notice|changelog)(\.txt)?|(config|dataset_infos?)\.json|.*\.(md|rst|pdf|html?|docx?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TableFile:
    """The bytes of a table: `place` names it in messages, `name` has the ending of its format."""

    place: str
    name: str
    open: Callable[[], BinaryIO]

    @property
    def suffix(self) -> str:
        """The ending of the name, in lower case."""
        return Path(self.name).suffix.lower()

    def seekable(self) -> BinaryIO:
        """Opens the file so that it can be read in any order; what is packed is unpacked into memory."""
        stream = self.open()
        if stream.seekable():
            return stream
        with stream:
            return io.BytesIO(stream.read())

    def text(self, encoding: str, newline: str = "") -> TextIO:
        """Opens the file as text."""
        return io.TextIOWrapper(self.open(), encoding=encoding, newline=newline)


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes."""

    def __init__(self, place: str, stream: BinaryIO, limit: int) -> None:
        self._place, self._stream, self._limit, self._left = place, stream, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._stream.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(self._place, f"more than {self._limit}", self._limit)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()


def table_name(path: Path) -> str:
    """Returns the name of the table in a file: `train.csv` for `train.csv.gz`, and for a zip file its own name."""
    return path.stem if path.suffix.lower() in _PACKERS else path.name


def open_table(path: Path) -> TableFile:
    """Returns the table of a file without reading more than its start.

    Raises:
        DataError: a zip file holds more than one file, or unpacks to more than a bound.
    """
    if path.suffix.lower() == ".zip":
        return _of_zip(path)
    if packer := _PACKERS.get(path.suffix.lower()):
        limit = _limit(path)
        return TableFile(str(path), table_name(path), lambda: _bounded(str(path), packer(path), limit))
    return TableFile(str(path), path.name, lambda: path.open("rb"))


def _of_zip(path: Path) -> TableFile:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir() and not _is_clutter(info.filename)]
    tables = [info for info in members if not DOCUMENT.fullmatch(Path(info.filename).name)]
    members = tables if len(tables) == 1 else members
    if len(members) != 1:
        listed = ", ".join(info.filename for info in members[:10]) or "nothing"
        more = f" and {len(members) - 10} more" if len(members) > 10 else ""
        raise DataError(
            f"{path}: holds {len(members)} files ({listed}{more}), not one table; unpack it and give one of them"
        )
    member, limit, place = members[0], _limit(path), f"{path}: {members[0].filename}"
    if member.file_size > limit:
        raise _too_large(str(path), str(member.file_size), limit)
    if member.flag_bits & 1:
        raise DataError(f"{path}: is encrypted; unpack it and give the table in it")
    return TableFile(place, Path(member.filename).name, lambda: _bounded(place, _member(path, member.filename), limit))


def _member(path: Path, name: str) -> BinaryIO:
    with zipfile.ZipFile(path) as archive:  # what is open stays readable after the archive is closed
        return cast(BinaryIO, archive.open(name))


def _bounded(place: str, stream: object, limit: int) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Bounded(place, cast(BinaryIO, stream), limit), 2**16))


def _limit(path: Path) -> int:
    return min(MAX_BYTES, max(SMALL_BYTES, MAX_RATIO * path.stat().st_size))


def _too_large(place: str, size: str, limit: int) -> DataError:
    return DataError(
        f"{place}: unpacks to {size} bytes, above the bound of {limit} for a file of its size; if you trust it, "
        "unpack it and give the file in it"
    )


def _is_clutter(name: str) -> bool:
    """True for what file managers leave, and for hidden files."""
    *folders, last = Path(name).parts
    return "__MACOSX" in folders or last.startswith(".") or last.lower() in _CLUTTER
