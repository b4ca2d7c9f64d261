"""Finds the encoding of a text file: Unicode, or one that its bytes leave no doubt about."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from harness.data.readers.file import TableFile
from harness.data.readers.languages import is_central_european, is_cyrillic, is_western, num_other_letters
from harness.errors import DataError

__all__ = ["find_encoding", "is_utf8"]

_CHUNK_BYTES = 2**20
#: So many bytes of lines with other characters than ASCII's tell the encoding.
_SAMPLE_BYTES = 2**16
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: The encodings of tables that are not Unicode; latin-1 is the part of cp1252 that it shares.
_ENCODINGS = ("cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "gb18030", "big5", "cp932", "euc_jp", "euc_kr")
_LATIN, _CYRILLIC = {"cp1252", "cp1250", "iso8859_2"}, {"cp1251", "koi8_r"}
#: Bytes of ASCII, and of the quotes, dashes and dots that all Windows encodings have in one place: no letters.
_TYPESET = {*range(0x80), 0x85, *range(0x91, 0x98)}
#: So many letters that another Latin encoding would give leave one in doubt.
_MIN_OTHER_LETTERS = 3
#: An encoding is sure when every other has this much more of what charset-normalizer calls mess (0 to 1).
_MIN_MARGIN = 0.03
_MAX_MESS = 0.15
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
    bad = _undecodable(file, encoding)
    if bad is None and (given or encoding in ("utf-8", "utf-8-sig")):
        return encoding, ()
    if bad is not None and encoding == "utf-8" and not given:
        sure = _guessed(file)
        if sure is None or _undecodable(file, sure) is not None:
            raise DataError(
                f"{file.place}: not UTF-8 ({bad}), and its bytes leave the encoding in doubt; name it with "
                "data.encoding=, for example cp1252 or gb18030"
            )
        encoding = sure
    elif bad is not None:
        by_whom = f"data.encoding is {given}" if given else f"it starts like {encoding.upper()}"
        raise DataError(f"{file.place}: {by_whom}, and {bad} cannot be read so; set data.encoding= to the right one")
    return encoding, (f"{file.name}: read as {encoding} (data.encoding)",)


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


def _guessed(file: TableFile) -> str | None:
    """Returns the one encoding that fits the lines which are not ASCII, or None when several do."""
    from charset_normalizer import from_bytes

    lines = _foreign_lines(file)
    if sum(_decoded(line, "utf-8") is not None for line in lines) >= _MIN_UTF8_LINES * len(lines):
        return None
    sample = b"".join(lines)
    if set(sample) <= _TYPESET:
        return "cp1252"
    matches = from_bytes(sample, threshold=_MAX_MESS, cp_isolation=list(_ENCODINGS), enable_fallback=False)
    likely = [match for match in matches if match.encoding not in _CYRILLIC or is_cyrillic(str(match))]
    best = min((match.chaos for match in likely), default=0.0)
    names = {name for match in likely if match.chaos < best + _MIN_MARGIN for name in match.could_be_from_charset}
    if names & _LATIN:
        return _of_letters(sample) if names <= _LATIN else None
    texts = {sample.decode(name) for name in names}
    return next(name for name in _ENCODINGS if name in names) if len(texts) == 1 else None


def _of_letters(sample: bytes) -> str | None:
    """Returns the Latin encoding that gives the letters of one language."""
    texts = {name: text for name in _LATIN if (text := _decoded(sample, name)) is not None}
    western = texts.pop("cp1252", None)
    central = {name: text for name, text in texts.items() if is_central_european(text)}
    if western is not None and is_western(western):
        in_doubt = any(num_other_letters(text, western) >= _MIN_OTHER_LETTERS for text in central.values())
        return None if in_doubt else "cp1252"
    return next(iter(central)) if len(set(central.values())) == 1 else None


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None


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
    line = 1
    for chunk in _chunks(file):
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            return f"line {line}: byte 0x{error.object[error.start]:02x}"
        line += chunk.count(b"\n")
    return None


def _chunks(file: TableFile) -> Iterator[bytes]:
    """Yields the bytes of a file, and at last an empty chunk."""
    with file.open() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    yield b""
