"""Finds the encoding of a text file: Unicode, or one that its bytes leave no doubt about."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from harness.data.readers.file import TableFile
from harness.data.readers.languages import (
    is_central_european,
    is_turkish,
    is_western,
    num_other_letters,
    signs_are_apart,
)
from harness.data.readers.scripts import is_east_asian, may_be_east_asian, texts_in_scripts
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
#: The encodings of tables that are not Unicode; latin-1 is the part of cp1252 that it shares.
_WESTERN, _EAST_ASIAN = ("cp1252", "mac_roman"), ("gb18030", "big5", "cp932", "euc_jp", "euc_kr")
_CENTRAL = ("cp1250", "iso8859_2")
#: What is named where nothing fits.
_EXAMPLES = ("cp1252", "gb18030", "cp1250", "cp1251", "cp1256", "cp874", "cp949", "cp932", "cp850")
_MAX_READINGS = 6
#: Those that a few signs may be in, with all signs of Big5 and of Korean.
_WIDE_EAST_ASIAN = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949")
#: What charset-normalizer compares with the East Asian ones.
_ENCODINGS = ("cp1252", *_CENTRAL, "cp1251", "koi8_r", *_EAST_ASIAN)
#: Bytes of ASCII, and of typography and currency in cp1252: no letters.
_TYPESET = {*range(0x80), *"€…‘’“”•–—™ £¥§©«®°±·»".encode("cp1252")}
#: So many letters that another Latin encoding would give leave one in doubt.
_MIN_OTHER_LETTERS = 3
#: An encoding is sure when every other has this much more of what charset-normalizer calls mess (0 to 1).
_MIN_MARGIN = 0.03
_MAX_MESS = 0.15
#: From this share of valid lines on, a file counts as UTF-8 with broken bytes.
_MIN_UTF8_LINES = 0.1
#: What shows how an encoding reads a file: the first word that is not ASCII, and some of what follows it.
_SHOWN = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\r\n\t,;|\"]{0,12}")


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
        guessed, possible = _guessed(lines)
        fitting = [name for name in [*possible, *guessed] if _undecodable(file, name) is None]
        if len(fitting) != 1 or possible:
            readings = _readings(lines, fitting or _EXAMPLES)
            raise DataError(
                f"{file.place}: not UTF-8 ({bad}), and its bytes leave the encoding in doubt; name it with "
                f"data.encoding=, for example {readings}"
            )
        encoding = fitting[0]
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


def _escaped(file: TableFile) -> str | None:
    """Returns the encoding whose escape sequences a file of ASCII has, which is UTF-8 too; None without any."""
    for chunk in _chunks(file):
        if not chunk.isascii():
            return None
        has_start = (b"\x1b" in chunk and b"\x1b$" in chunk) or (
            b"~" in chunk and b"~{" in chunk
        )  # a single byte is found much faster
        if has_start and (found := _ESCAPES.search(chunk)):
            return _ESCAPED[str(found.lastgroup)]
    return None


def _is_broken_utf8(lines: Sequence[bytes]) -> bool:
    """True where some lines are UTF-8, or were but for halves of UTF-16's pairs (CESU-8)."""
    return sum(_is_loose_utf8(line) for line in lines) >= _MIN_UTF8_LINES * len(lines)


def _is_loose_utf8(line: bytes) -> bool:
    try:
        return bool(line.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return False


def _guessed(lines: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """Returns the encodings that fit the lines which are not ASCII; one that leaves no doubt is the only one.

    Beside them are East Asian encodings that the lines may be in, and that leave a doubt of the others.
    """
    sample = b"".join(lines)
    if set(sample) <= _TYPESET and signs_are_apart(sample.decode("cp1252")):
        return ["cp1252"], []
    if east_asian := _east_asian(sample):
        return [*texts_in_scripts(sample), *east_asian], []
    possible = [name for name in _WIDE_EAST_ASIAN if may_be_east_asian(_decoded(sample, name) or "", name)]
    return [*texts_in_scripts(sample)] or _latin(sample), possible


def _readings(lines: Sequence[bytes], encodings: Sequence[str]) -> str:
    """Returns the encodings that decode the lines, each with a text that it gives."""
    sample, texts = b"".join(lines), dict[str, str]()
    for name in encodings:
        if (text := _decoded(sample, name)) and (shown := _SHOWN.search(text)) and shown[0] not in texts.values():
            texts[name] = shown[0]
    listed = [f"{name} ('{text.strip()}')" for name, text in texts.items()]
    return " or ".join(listed[:_MAX_READINGS] or _EXAMPLES[:2])


def _east_asian(sample: bytes) -> list[str]:
    """Returns the East Asian encodings with the least of what charset-normalizer calls mess; one of each text."""
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, threshold=_MAX_MESS, cp_isolation=list(_ENCODINGS), enable_fallback=False)
    best = min((match.chaos for match in matches), default=0.0)
    names = {name for match in matches if match.chaos < best + _MIN_MARGIN for name in match.could_be_from_charset}
    texts = {name: sample.decode(name) for name in _EAST_ASIAN if name in names}
    return list({text: name for name, text in reversed(texts.items()) if is_east_asian(text, name)}.values())


def _latin(sample: bytes) -> list[str]:
    """Returns the Latin encodings that give the letters of one language."""
    texts = {name: text for name in (*_WESTERN, *_CENTRAL) if (text := _decoded(sample, name)) is not None}
    turkish = _decoded(sample, "cp1254")
    if turkish is not None and is_turkish(turkish):
        return ["cp1254", *(name for name in _WESTERN if name in texts and is_western(texts[name]))]
    western = {name: texts[name] for name in _WESTERN if name in texts and is_western(texts[name])}
    if "¤" in western.get("cp1252", ""):  # the euro sign of ISO 8859-15
        return ["cp1252", "iso8859_15"]
    if not num_other_letters(western.get("mac_roman", ""), ""):  # "à" alone is a sign there
        western.pop("mac_roman", None)
    central = {name: texts[name] for name in _CENTRAL if name in texts and is_central_european(texts[name])}
    if len(western) == 1:
        ((name, text),) = western.items()
        fewest = _MIN_OTHER_LETTERS if name == "cp1252" else 1
        return [name, *(other for other in central if num_other_letters(central[other], text) >= fewest)]
    if western or len(set(central.values())) > 1:
        return [*western, *central]
    return list(central)[:1]


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
    return None


def _chunks(file: TableFile) -> Iterator[bytes]:
    """Yields the bytes of a file, and at last an empty chunk."""
    with file.open() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    yield b""
