"""Preprocessing steps on texts: each a function from a text to a text, applied in the listed order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from harness.errors import look_up
from harness.runtime import quick_imports
from harness.spec.study import PreprocessStep

__all__ = ["CHINESE_STOP_WORDS", "NEGATIONS", "clean", "is_cjk", "normalised"]

#: Kept by `remove_stop_words` although scikit-learn lists them: without them "not good" becomes "good".
NEGATIONS = frozenset(
    {"cannot", "cant", "couldnt", "except", "hasnt", "neither", "never", "nobody", "none", "noone", "nor", "not"}
    | {"nothing", "nowhere", "no", "without"}
)

#: Function words, removed wherever they stand, the longer first, without segmentation. Words of negation, degree and
#: contrast (不 没 无 别 很 太 但) stay, and so do characters that are mostly parts of words (地 得 在 为).
CHINESE_STOP_WORDS = re.compile(
    "以及|或者|因为|所以|并且|而且|这个|那个|这些|那些|一个|一种|我们|你们|他们|她们|它们|这里|那里|其中|之一|就是|对于|关于"
    "|的|了|着|吗|呢|吧|啊|呀|嘛|哦|噢|啦"
)

_NOT_WORD = re.compile(r"[^\w\s]|_")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
_SPACE = re.compile(r"\s+")


def clean(texts: Iterable[str], steps: Sequence[PreprocessStep]) -> list[str]:
    """Applies `steps` to `texts`, in the order of the steps.

    Raises:
        InputError: there is no such step.
    """
    functions = [look_up(STEPS, step, "data.preprocess") for step in steps]
    cleaned = list(texts)
    for function in functions:
        cleaned = [function(text) for text in cleaned]
    return cleaned


def normalised(text: str) -> str:
    """Returns the form in which two texts count as the same: NFKC, case-folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_cjk(character: str) -> bool:
    """True for Chinese characters, kana and hangul: scripts that `split()` does not cut into words."""
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af"


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _strip_punctuation(text: str) -> str:
    """Replaces Unicode's punctuation (P*) by spaces; apostrophes inside words stay.

    Symbols such as $ and + are no punctuation.
    """
    return _collapse(_NOT_WORD.sub(_space_for_punctuation, text))


def _space_for_punctuation(match: re.Match[str]) -> str:
    mark, text, at = match.group(), match.string, match.start()
    inside = mark in "'’" and text[max(at - 1, 0)].isalpha() and text[at + 1 : at + 2].isalpha()
    return mark if inside or not unicodedata.category(mark).startswith("P") else " "


def _remove_stop_words(text: str) -> str:
    stop = _english_stop_words()
    kept = _WORD.sub(lambda match: "" if match.group().lower() in stop else match.group(), text)
    return _collapse(CHINESE_STOP_WORDS.sub("", kept))


@cache
def _english_stop_words() -> frozenset[str]:
    with quick_imports():
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS) - NEGATIONS


def _collapse(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


STEPS: Mapping[str, Callable[[str], str]] = {
    "nfkc": _nfkc,
    "lowercase": str.lower,
    "strip_punctuation": _strip_punctuation,
    "remove_stop_words": _remove_stop_words,
    "collapse_whitespace": _collapse,
}
