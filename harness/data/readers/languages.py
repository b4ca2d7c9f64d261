"""Tells from its letters whether a decoded text can be of one European language."""

from __future__ import annotations

import re

__all__ = ["is_central_european", "is_cyrillic", "is_western", "num_other_letters"]

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
_CENTRAL = (
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîşţ",  # Romanian
    "čćđšž",  # Croatian, Slovene
)
#: The share of Cyrillic letters beside Latin ones that a text in Cyrillic may have.
MAX_MIXED = 0.05
_IN_WORDS = "’'´`‘-–—·/"


def is_western(text: str) -> bool:
    """True when one Western European language has all letters of the text, and no sign stands inside a word."""
    return _signs_are_apart(text) and any(_letters(text) <= set(alphabet) for alphabet in _WESTERN)


def is_central_european(text: str) -> bool:
    """True when one Central European language has all letters of the text, and no sign stands inside a word."""
    return _signs_are_apart(text) and any(_letters(text) <= set(alphabet) for alphabet in _CENTRAL)


def num_other_letters(text: str, other: str) -> int:
    """Returns the number of different letters beside a to z that a text has and the other has not."""
    return len(_letters(text) - _letters(other))


def is_cyrillic(text: str) -> bool:
    """True when the text has Cyrillic letters, and hardly any of them beside Latin ones, as in a cafй."""
    letters = len(re.findall("[\u0400-\u04ff]", text))
    mixed = len(re.findall("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]", text))
    return mixed <= MAX_MIXED * letters


def _letters(text: str) -> set[str]:
    return {char for char in set(text.lower()) if not char.isascii() and char.isalpha() and char not in "ªº"}


def _signs_are_apart(text: str) -> bool:
    for before, char, after in zip(text, text[1:], text[2:], strict=False):
        if not char.isascii() and not char.isalpha() and char not in _IN_WORDS and before.isalpha() and after.isalpha():
            return False
    return True
