"""Finds the encoding of a text file: Unicode, or one that its bytes leave no doubt about."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from harness.data.readers.encodings.guess import EXAMPLES, guessed, readings_of, shown_sign
from harness.data.readers.encodings.utf7 import Utf7
from harness.data.readers.file import TableFile
from harness.errors import DataError

__all__ = ["find_encoding", "is_utf8"]

_CHUNK_BYTES = 2**20
#: Signs of more than one byte stand between escape sequences; those of HZ are of the commoner half of GB 2312.
_ESCAPES = re.compile(rb"(?P<japanese>\x1b\$[@B])|(?P<korean>\x1b\$\)C)|(?P<chinese>~\{(?:[!-W][!-~])+~\})")
_ESCAPED = {"japanese": "iso2022_jp", "korean": "iso2022_kr", "chinese": "hz"}
#: So many bytes of lines with other characters than ASCII's tell the encoding.
_SAMPLE_BYTES = 2**16
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: From this share of valid lines on, a file counts as UTF-8 with broken bytes.
_MIN_UTF8_LINES = 0.1


def find_encoding(file: TableFile, given: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Returns the name of the codec that reads all of a file, and a note where it is not UTF-8.

    Args:
        file: the file.
        given: the encoding that the study names, if it does.

    Raises:
        DataError: the file cannot be decoded, or several encodings would give different texts.
    """
    with file.open() as stream:
        encoding = given or _unicode(stream.read(_CHUNK_BYTES))
    if not given and encoding == "utf-8":
        encoding = _escaped(file) or encoding
    bad = _undecodable(file, encoding)
    if bad is None and (given or encoding in ("utf-8", "utf-8-sig")):
        return encoding, ()
    if bad is not None and encoding == "utf-8" and not given:
        lines = _foreign_lines(file)
        if _is_broken_utf8(lines):
            raise DataError(
                f"{file.place}: not UTF-8 ({bad}), though other lines are; save the file as UTF-8 again, or name its "
                "encoding with data.encoding="
            )
        likely, possible = guessed(lines)
        fitting = [name for name in [*possible, *likely] if _undecodable(file, name) is None]
        if len(fitting) != 1 or possible:
            readings = readings_of(lines, fitting or EXAMPLES)
            raise DataError(
                f"{file.place}: not UTF-8 ({bad}), and its bytes leave the encoding in doubt; name it with "
                f"data.encoding=, for example {readings}"
            )
        encoding = fitting[0]
    elif bad is not None:
        by_whom = f"data.encoding is {given}" if given else f"it starts like {encoding.upper()}"
        with file.open() as stream:
            found = _unicode(stream.read(_CHUNK_BYTES)) if given else "utf-8"
        right = f"={found}" if found.startswith("utf-16") and found != given else "= to the right one"
        raise DataError(f"{file.place}: {by_whom}, and {bad} cannot be read so; set data.encoding{right}")
    sample = _sample(file, encoding)
    shown = f", such as '{sample}'" if sample else ""
    return encoding, (f"{file.name}: read as {encoding}{shown} (data.encoding)",)


def _sample(file: TableFile, encoding: str) -> str:
    """Returns the first words of a file that are not ASCII; "" where all are."""
    with file.text(encoding) as lines:
        return next(filter(None, map(shown_sign, lines)), "")


def is_utf8(file: TableFile) -> bool:
    """True when all bytes of a file are UTF-8."""
    return _undecodable(file, "utf-8") is None


def _unicode(head: bytes) -> str:
    """Returns the Unicode encoding that a file starts like."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    half = max(1, len(head) // 2)
    even, odd = head[::2].count(0) / half, head[1::2].count(0) / half
    if min(even, odd) < 0.01 and max(even, odd) > 0.25:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _escaped(file: TableFile) -> str | None:
    """Returns the encoding whose escape sequences a file of ASCII has, which is UTF-8 too; None without any.

    Raises:
        DataError: it has so few of UTF-7 that they may be text.
    """
    utf7 = Utf7()
    for chunk in _chunks(file):
        if not chunk.isascii():
            return None
        has_start = (b"\x1b" in chunk and b"\x1b$" in chunk) or (
            b"~" in chunk and b"~{" in chunk
        )  # a single byte is found much faster
        if has_start and (found := _ESCAPES.search(chunk)):
            return _ESCAPED[str(found.lastgroup)]
        utf7.add(chunk)
    return utf7.codec(file.place)


def _is_broken_utf8(lines: Sequence[bytes]) -> bool:
    """True where some lines are UTF-8, or were but for halves of UTF-16's pairs (CESU-8)."""
    return sum(_is_loose_utf8(line) for line in lines) >= _MIN_UTF8_LINES * len(lines)


def _is_loose_utf8(line: bytes) -> bool:
    try:
        return bool(line.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return False


def _foreign_lines(file: TableFile) -> list[bytes]:
    """Returns lines that are not ASCII."""
    lines, size = [], 0
    with file.open() as stream:
        for line in stream:
            if not line.isascii():
                lines.append(line)
                size += len(line)
            if size > _SAMPLE_BYTES:
                break
    return lines


def _undecodable(file: TableFile, encoding: str) -> str | None:
    """Returns the line and the byte that the codec cannot decode, or None where it decodes all."""
    decoder = codecs.getincrementaldecoder(encoding)()
    has_ascii = encoding in ("ascii", "utf-8")
    for number, chunk in enumerate(_chunks(file)):
        if has_ascii and chunk and chunk.isascii() and not decoder.getstate()[0]:
            continue
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            above = sum(before.count(b"\n") for before in islice(_chunks(file), number))
            line = 1 + above + error.object.count(b"\n", 0, error.start)
            return f"line {line}: byte 0x{error.object[error.start]:02x}"
        except UnicodeError:  # UTF-16 without a byte order mark
            return f"line 1: byte 0x{chunk[0]:02x}, which is no byte order mark," if chunk else "its end"
    return None


def _chunks(file: TableFile) -> Iterator[bytes]:
    """Yields the bytes of a file, and at last an empty chunk."""
    with file.open() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    yield b""
