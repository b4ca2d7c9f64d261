"""Tells by its first bytes that a file is not what the ending of its name says."""

from __future__ import annotations

import codecs
import io
import json
import re
from dataclasses import dataclass

from harness.data.readers.file import TableFile
from harness.errors import DataError

__all__ = ["check_signature", "table_ending"]

_UNPACK = "unpack it and give the table in it"
_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Signature:
    """The first bytes of a kind of file, what it is called, and what to do with one; `at` is their place."""

    start: bytes
    what: str
    remedy: str
    at: int = 0


_SIGNATURES = (
    _Signature(b"version https://git-lfs.", "a Git LFS pointer, not the data", "fetch the data: git lfs pull"),
    _Signature(b"\x1f\x8b", "gzip-compressed", "add .gz to its name, or unpack it with gunzip"),
    _Signature(b"PK\x03\x04", "a zip file", "name it .zip or, if it is an Excel workbook, .xlsx"),
    _Signature(b"PAR1", "a Parquet file", "name it .parquet"),
    _Signature(b"ARROW1", "an Arrow (Feather) file", "name it .arrow"),
    _Signature(b"\xff\xff\xff\xff", "an Arrow stream", "name it .arrow"),
    _Signature(b"FEA1", "a file of Feather's first version", "write it again: pandas.read_feather, then to_parquet"),
    _Signature(
        b"\xd0\xcf\x11\xe0", "an old Excel file, or one with a password", "save it without one, as .xlsx or .csv"
    ),
    _Signature(b"%PDF", "a PDF", "give the table as .csv"),
    _Signature(b"SQLite format 3\0", "an SQLite database", "write its table to .csv"),
    _Signature(b"\x89HDF", "an HDF5 file", "write its table to .parquet"),
    _Signature(b"BZh", "bzip2-compressed", "add .bz2 to its name"),
    _Signature(b"\xfd7zXZ", "xz-compressed", "add .xz to its name"),
    _Signature(b"\x28\xb5\x2f\xfd", "zstd-compressed", _UNPACK),
    _Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _Signature(b"Rar!", "a RAR archive", _UNPACK),
    _Signature(b"ustar", "a tar archive", _UNPACK, at=257),
    _Signature(
        b"\x80\x04\x95", "a Python pickle, which can run code when it is loaded", "write it as .parquet or .csv"
    ),
    _Signature(
        b"\x80\x05\x95", "a Python pickle, which can run code when it is loaded", "write it as .parquet or .csv"
    ),
)
_LIST, _OBJECT = re.compile(rb'\[\s*\{\s*"'), re.compile(rb'\{\s*"[^"\n]*":\s*["\d{\[]')
_SQL = re.compile(
    rb"(--\s*\n)*(-- (MySQL|MariaDB|PostgreSQL|phpMyAdmin|SQLite)|(CREATE TABLE|INSERT INTO|DROP TABLE IF EXISTS)\b)",
    re.IGNORECASE,
)
_TAG = re.compile(rb"<(!--|[a-z][a-z0-9]*[\s>/])")
_PAGES = (b"<!doctype html", b"<html", b"<?xml")


def check_signature(file: TableFile, title: str, starts: tuple[bytes, ...] = ()) -> None:
    """Refuses a file that is empty or of another kind.

    Args:
        file: the file.
        title: what the ending of its name says that it is.
        starts: the first bytes of such a file; none for text.

    Raises:
        DataError: what it is, and what to do.
    """
    with file.open() as stream:
        head = stream.read(_HEAD_BYTES)
    if not head.removeprefix(b"\xef\xbb\xbf").strip() and len(head) < _HEAD_BYTES:
        raise DataError(f"{file.place}: the file is empty; give a table with a header and rows")
    if any(head.startswith(start) for start in starts):
        return
    for known in _SIGNATURES:
        if head.startswith(known.start, known.at):
            raise DataError(f"{file.place}: is {known.what}, where its name says {title}; {known.remedy}")
    if _is_page(head, named_text=not starts):
        raise DataError(
            f"{file.place}: is a web page (HTML or XML), where its name says {title}; download the file itself "
            "(the 'raw' or 'download' link)"
        )
    if not starts:
        if _SQL.match(head):
            raise DataError(
                f"{file.place}: is a dump of a database (SQL), where its name says {title}; load it into one, and "
                "write its table to .csv"
            )
        if title != "JSON" and _is_json(head.removeprefix(b"\xef\xbb\xbf")):
            raise DataError(f"{file.place}: is JSON, where its name says {title}; name it .jsonl or .json")
        _check_end(file, head)
    if starts and (ending := table_ending(head)):
        name = f"{file.name.removesuffix(file.suffix)}{ending}"
        raise DataError(f"{file.place}: is text, where its name says {title}; name it by what it is: {name}")
    if starts:
        raise DataError(f"{file.place}: is no {title} file; was it cut off when it was copied?")


def _is_page(head: bytes, *, named_text: bool) -> bool:
    """True for HTML and XML; where the name says no text, also for HTML that begins within a page."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith(_PAGES) or (not named_text and _TAG.match(start) is not None)


def table_ending(head: bytes) -> str:
    """Returns the ending of a name for what the first bytes of a file say is a table as text; "" for what is none."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if any(head.startswith(known.start, known.at) for known in _SIGNATURES) or _is_page(head, named_text=False):
        return ""
    try:
        decoded = codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return ""
    if not decoded.strip() or any(ord(sign) < 32 and sign not in "\t\r\n\f" for sign in decoded):
        return ""
    if _is_json(text):
        return ".json" if text.startswith(b"[") else ".jsonl"
    return ".tsv" if "\t" in decoded.partition("\n")[0] else ".csv"


def _is_json(head: bytes) -> bool:
    """True for a list of objects, and where the first line, or what there is of it, is an object."""
    if not head.startswith(b"{"):
        return _LIST.match(head) is not None
    line, end, _ = head.partition(b"\n")
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return not end and _OBJECT.match(head) is not None


def _check_end(file: TableFile, head: bytes) -> None:
    """Refuses text that ends with a sign which is no text, where the end can be read without the rest."""
    with file.open() as stream:
        if not stream.seekable() or b"\0" in head.rstrip(b"\0"):  # UTF-16
            return
        stream.seek(0, io.SEEK_END)
        stream.seek(max(0, stream.tell() - _HEAD_BYTES))
        end = stream.read().rstrip(b"\r\n")[-1:]
    if end == b"\x1a":
        raise DataError(f"{file.place}: ends with the byte 0x1a (Ctrl-Z), as old programs end a text; delete it")
    if end == b"\0":
        raise DataError(f"{file.place}: ends with NUL bytes; was it cut off when it was copied? copy it again")
