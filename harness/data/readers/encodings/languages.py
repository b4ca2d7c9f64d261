"""Tells from its letters whether a decoded text can be of one European language."""

from __future__ import annotations

import re

__all__ = ["is_central_european", "is_turkish", "is_western", "num_other_letters", "signs_are_apart"]

#: The lower-case letters beside a to z of each language, loan words included.
_WESTERN = (
    "äöüßéàè",  # German
    "àâæçèéêëîïôœùûüÿñö",  # French, and English with its loan words
    "áéíñóúüçïàèò",  # Spanish, Catalan, Galician
    "àáâãçéêíóôõúü",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "áéèëïóöüê",  # Dutch
    "åäöéüšžæøàá",  # Swedish, Finnish, Norwegian, Danish
    "áðéíóúýþæö",  # Icelandic
)
_TURKISH = "çğıöşüâîûi̇"
_CENTRAL = (
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîşţ",  # Romanian
    "čćđšž",  # Croatian, Slovene
)
#: A capital beside A to Z behind a small letter.
_CAPITAL_INSIDE = re.compile("[a-zß-öø-ÿ][À-ÖØ-ÞŒŠŽĄĆĘŁŃŚŹŻČĎĚŇŘŤŮŐŰĂŞŢĐ]")
#: What Romanian gives in cp1252: ordinal signs before letters, and "ã" where Portuguese has none.
_NO_PORTUGUESE = re.compile(r"[ªº][^\W\d_]|ã(?=[^\Woeis\d_])", re.IGNORECASE)
_IN_WORDS = "’'´`‘-–—·/"


def is_western(text: str) -> bool:
    """True when one Western European language has all letters of the text, and no sign or capital is inside a word."""
    return (
        signs_are_apart(text)
        and not _CAPITAL_INSIDE.search(text)
        and not _NO_PORTUGUESE.search(text)
        and any(_letters(text) <= set(alphabet) for alphabet in _WESTERN)
    )


def is_central_european(text: str) -> bool:
    """True when one Central European language has all letters of the text, and no sign or capital is inside a word."""
    return (
        signs_are_apart(text)
        and not _CAPITAL_INSIDE.search(text)
        and any(_letters(text) <= set(alphabet) for alphabet in _CENTRAL)
    )


def is_turkish(text: str) -> bool:
    """True when Turkish has all letters of the text, some of which no Western language has."""
    letters = _letters(text)
    return signs_are_apart(text) and letters <= set(_TURKISH) and bool(letters & set("ğış"))


def num_other_letters(text: str, other: str) -> int:
    """Returns the number of different letters beside a to z that a text has and the other has not."""
    return len(_letters(text) - _letters(other))


def _letters(text: str) -> set[str]:
    return {char for char in set(text.lower()) if not char.isascii() and char.isalpha() and char not in "ªº"}


def signs_are_apart(text: str) -> bool:
    """True when no sign but those of typography stands inside a word, or opens behind one."""
    if re.search(r"[^\W\d_][‚„‹ˆ](?!\w)|[\x80-\x84\x86-\x9f]", text):
        return False
    for before, char, after in zip(text, text[1:], text[2:], strict=False):
        if not char.isascii() and not char.isalpha() and char not in _IN_WORDS and before.isalpha() and after.isalpha():
            return False
    return True
