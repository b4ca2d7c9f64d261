"""Guesses the encoding of lines that are not Unicode, from the letters that it gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from harness.data.readers.encodings.languages import (
    is_central_european,
    is_turkish,
    is_western,
    num_other_letters,
    signs_are_apart,
    stand_alone,
)
from harness.data.readers.encodings.scripts import (
    few_letters,
    in_one_script,
    is_east_asian,
    may_be_east_asian,
    texts_in_scripts,
)

__all__ = ["EXAMPLES", "guessed", "readings_of", "shown_sign"]

#: The encodings of tables that are not Unicode; latin-1 is the part of cp1252 that it shares.
_WESTERN, _EAST_ASIAN = ("cp1252", "mac_roman"), ("gb18030", "big5", "cp932", "euc_jp", "euc_kr")
_CENTRAL = ("cp1250", "iso8859_2")
#: What is named where nothing fits.
EXAMPLES = ("cp1252", "gb18030", "cp1250", "cp1251", "cp1256", "cp874", "cp949", "cp932", "cp850")
_MAX_READINGS = 8
#: So many lines tell where encodings differ.
_COMPARED_LINES = 100
#: Those that words without a letter of ASCII may be in.
_OTHER_SCRIPTS = ("cp1251", "cp1253", "cp1250", "cp874", "cp1255", "cp1256", "iso8859_4", "koi8_r", "cp866")
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
#: What shows how an encoding reads a file: the first word that is not ASCII, and some of what follows it.
_SHOWN = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\r\n\t,;|\"]{0,12}")


def guessed(lines: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """Returns the encodings that fit the lines which are not ASCII; one that leaves no doubt is the only one.

    Beside them are East Asian encodings that the lines may be in, and that leave a doubt of the others.
    """
    sample = b"".join(lines)
    if set(sample) <= _TYPESET and signs_are_apart(sample.decode("cp1252")):
        return ["cp1252"], []
    if east_asian := _east_asian(sample):
        return [*texts_in_scripts(sample), *east_asian], []
    possible = [name for name in _WIDE_EAST_ASIAN if may_be_east_asian(_decoded(sample, name) or "", name)]
    if in_scripts := texts_in_scripts(sample):
        is_sure = len(in_scripts) > 1 or not few_letters(*next(iter(in_scripts.items())))
        return (
            ([*in_scripts], possible)
            if is_sure
            else ([], list(dict.fromkeys([*possible, *in_scripts, *_may_be(sample)])))
        )
    latin = _latin(sample)
    if possible or (latin and stand_alone(sample.decode(latin[0]))):
        return [], list(dict.fromkeys([*possible, *latin, *_may_be(sample)]))
    return latin, []


def _may_be(sample: bytes) -> list[str]:
    """Returns the encodings of other scripts that give words of one script."""
    texts = {name: _decoded(sample, name) for name in _OTHER_SCRIPTS}
    return [name for name, text in texts.items() if text is not None and in_one_script(text)]


def readings_of(lines: Sequence[bytes], encodings: Sequence[str]) -> str:
    """Returns the encodings that decode the lines, each with a text that it gives: where most of them differ."""
    sample = b"".join(lines)
    texts = {text: name for name in reversed(encodings) if (text := _decoded(sample, name))}
    names = [name for name in dict.fromkeys(encodings) if name in texts.values()]
    shown = [[_shown_in(part.decode(name)) for name in names] for part in _parts(lines)] if names else []
    best = max(shown, key=lambda readings: len(set(readings) - {""}), default=[])
    listed = [f"{name} ('{reading}')" for name, reading in zip(names, best, strict=False) if reading]
    return " or ".join(listed[:_MAX_READINGS] or EXAMPLES[:2])


def _parts(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Yields the rest of a line from each word on that is not ASCII."""
    for line in islice(lines, _COMPARED_LINES):
        words = line.split()
        yield from (b" ".join(words[at:]) for at, word in enumerate(words) if not word.isascii())


def shown_sign(text: str) -> str:
    """Returns the first word with a sign that is not ASCII, and some of what follows it; "" where there is none."""
    return "" if text.isascii() else _shown_in(text)


def _shown_in(text: str) -> str:
    shown = _SHOWN.search(text)
    return shown[0].strip() if shown else ""


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
