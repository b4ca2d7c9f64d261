"""Tells whether bytes, read in an encoding of Cyrillic, Greek, Hebrew or an East Asian script, give text in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from math import inf
from unicodedata import category, name

__all__ = ["SCRIPT_ENCODINGS", "few_letters", "in_one_script", "is_east_asian", "may_be_east_asian", "texts_in_scripts"]

#: The letters of a script, the commonest of its languages first.
_CYRILLIC = "оеаинтсірвлкмдпуяјыьгзбчйхжшюцщэфїєљњћъёђўґџќѓѕ"
_GREEK = "αοιετσνηυρκπμςλωίόάγδέήθχύφβώξζψϋϊΐΰ"
_HEBREW = "יולהאמרתבשנדחעקכפםטצגןסזךףץ"
#: The letters that each language in the script has beside those that all have.
_LANGUAGES = {
    _CYRILLIC: ("йщъыьэюяё", "йщьюяіїєґ", "йыьэюяёіў", "йщъьюя", "јљњћђџ", "јљњџќѓѕ"),
    _GREEK: ("ςίόάέήύώϋϊΐΰ",),
    _HEBREW: ("",),
}
#: The script of each encoding; where several give one text, the first names it.
SCRIPT_ENCODINGS: Mapping[str, str] = {
    **dict.fromkeys(("cp1251", "koi8_r", "koi8_u", "iso8859_5", "mac_cyrillic", "cp866"), _CYRILLIC),
    **dict.fromkeys(("cp1253", "iso8859_7"), _GREEK),
    **dict.fromkeys(("cp1255", "iso8859_8"), _HEBREW),
}
#: Shares: of a script among all letters; of East Asian signs, each of which is half a word; of signs and letters that
#: are at odds with those beside them.
_MIN_SCRIPT, _MIN_EAST_ASIAN, _MAX_ODD = 0.2, 0.1, 0.2
#: The mean place of a text's letters among the commonest of its script, where none is odd; in a wrong encoding it is
#: larger by this factor.
_MAX_PLACE, _MIN_LEAD = 11.5, 1.2
#: What one odd sign among ten letters adds to that place.
_ODD_PLACES = 5
_MAX_OTHER = 0.05
#: So many different letters of a script are no chance.
_MIN_LETTERS = 5
_TYPOGRAPHY = "«»“”„‘’–—…№€\xa0"
_EAST_ASIAN = {
    "gb18030": "\u4e00-\u9fff",
    "big5": "\u4e00-\u9fff",
    "cp932": "\u3041-\u30fe\u4e00-\u9fff",
    "euc_jp": "\u3041-\u30fe\u4e00-\u9fff",
    "euc_kr": "\uac00-\ud7af",
    "big5hkscs": "\u4e00-\u9fff",
    "cp949": "\uac00-\ud7af",
}


def texts_in_scripts(sample: bytes) -> dict[str, str]:
    """Returns the plausible texts by encoding, without those that are clearly rarer or odder than another."""
    texts: dict[str, str] = {}
    places: dict[str, tuple[float, int]] = {}
    for encoding, script in SCRIPT_ENCODINGS.items():
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        place, odd = _mean_place(text, script)
        if place <= _MAX_PLACE and text not in texts.values():
            texts[encoding], places[encoding] = text, (place, odd)
    best, fewest = min(places.values(), default=(0.0, 0))
    return {
        encoding: text
        for encoding, text in texts.items()
        if places[encoding][0] < best * _MIN_LEAD and places[encoding][1] <= fewest
    }


def few_letters(encoding: str, text: str) -> bool:
    """True where a text has so few different letters of the script of its encoding that they may be chance."""
    return len(set(SCRIPT_ENCODINGS[encoding]) & set(text.lower())) < _MIN_LETTERS


def in_one_script(text: str) -> bool:
    """True where the signs of a text beside ASCII's are letters of one script, without a capital behind a small one."""
    signs = {char for char in text if not char.isascii() and char not in _TYPOGRAPHY}
    scripts = {name(char, "").partition(" ")[0] for char in signs}
    is_text = all(category(char)[0] in "LM" for char in signs)
    return (
        len(scripts) == 1
        and is_text
        and not any(first.islower() and second.isupper() for first, second in pairwise(text))
    )


def is_east_asian(text: str, encoding: str) -> bool:
    """True when nearly all letters beside ASCII's are those that the encoding is for; half-width katakana are not."""
    letters = [char for char in text if not char.isascii() and char.isalnum()]
    own = f"[{_EAST_ASIAN[encoding]}々ー]"
    fewest = max((1 - _MAX_OTHER) * len(letters), _MIN_EAST_ASIAN * _num_letters(text))
    return bool(re.search(own + "{3}", text)) and len(re.findall(own, text)) >= fewest


def may_be_east_asian(text: str, encoding: str) -> bool:
    """True when a text as short as a label may be East Asian.

    Nearly all letters beside ASCII's are those that the encoding is for. Most do not touch one of ASCII's, as they do
    where accented letters of a Latin encoding and what follows them are taken for one sign.
    """
    letters = [char for char in text if not char.isascii() and (char.isalnum() or category(char) == "Co")]
    own = f"[{_EAST_ASIAN[encoding]}々ー]"
    touching = rf"(?<=[A-Za-z]){own}|{own}(?=[A-Za-z])"
    num_own = len(re.findall(own, text))
    return num_own >= max((1 - _MAX_OTHER) * len(letters), 1) and 2 * len(re.findall(touching, text)) < num_own


def _num_letters(text: str) -> int:
    return len(re.findall(r"[^\W\d_]", text))


def _mean_place(text: str, script: str) -> tuple[float, int]:
    """Returns how far down the order of the script's letters the text's are, and the number of odd signs in it.

    Odd signs add to the place, which has no end where the text is not in the script.
    """
    small, large = script, re.sub("[ΐΰς]", "", script).upper()
    if small == large:  # without capitals
        large = "\0"
    own = re.findall(f"[{small}{large}]", text)
    if not re.search(f"[{small}{large}]{{3}}", text) or len(own) < _MIN_SCRIPT * _num_letters(text):
        return inf, 0
    beside = f"[{small}{large}A-Za-z]"
    signs = f"[^{small}{large}{_TYPOGRAPHY}\\x00-\\x7f]"
    odd = len(
        re.findall(
            rf"{signs}|(?<=[{small}])[{large}]|(?<=[A-Za-z])[{small}{large}]|(?<={beside})€|(?<!\w)’(?=[{small}])", text
        )
    )
    letters = "".join(own).lower()
    apart = set("".join(_LANGUAGES[script]))
    odd += min(sum(char in apart and char not in language for char in letters) for language in _LANGUAGES[script])
    if odd > _MAX_ODD * len(own):
        return inf, odd
    return (sum(map(script.index, letters)) + 10 * _ODD_PLACES * odd) / len(own), odd
