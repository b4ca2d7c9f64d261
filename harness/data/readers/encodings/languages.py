"""Tells from its letters whether a decoded text can be of one European language."""

from __future__ import annotations

import re

__all__ = ["is_central_european", "is_turkish", "is_western", "num_other_letters", "signs_are_apart", "stand_alone"]

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
#: What Romanian, Polish and Hungarian give in cp1252: ordinal signs and "³" before letters, and "ã" and "õ" where
#: Portuguese has none.
_NO_PORTUGUESE = re.compile(r"[ªº][^\W\d_]|(?<!\w)³(?=[a-z])|ã(?=[^\Woeis\d_])|õ(?!e)", re.IGNORECASE)
#: Words of one letter that is not ASCII.
_ONE_LETTER_WORDS = frozenset("àáâéèêìíòóôùúåäöøæªºµ")
#: Typography at the ends of words.
_ENDS = "“”„‘’‚«»‹›…–—¿¡°•"
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


def stand_alone(text: str) -> bool:
    """True where half of the different words that are not ASCII have no letter of ASCII, as those of other scripts."""
    words = {word.strip(_ENDS) for word in re.findall(r"[A-Za-z\x80-\U0010ffff]+", text.lower())}
    words = {word for word in words if not word.isascii() and any(map(str.isalpha, word))}
    alone = {word for word in words if not re.search("[a-z]", word) and word not in _ONE_LETTER_WORDS}
    return 0 < len(words) <= 2 * len(alone)


def signs_are_apart(text: str) -> bool:
    """True when no sign but those of typography stands inside a word, or opens behind one."""
    if re.search(r"[^\W\d_][‚„‹ˆ](?!\w)|[\x80-\x84\x86-\x9f]", text):
        return False
    for before, char, after in zip(text, text[1:], text[2:], strict=False):
        if not char.isascii() and not char.isalpha() and char not in _IN_WORDS and before.isalpha() and after.isalpha():
            return False
    return True
