"""How two answers are compared as texts: by SQuAD's rules word by word, or by CMRC's character by character.

SQuAD (Rajpurkar et al. 2016, 2018): case, punctuation, the articles a, an, the and white space do not count; F1 is of
the words that both have. CMRC 2018 (Cui et al. 2019): case and the signs of its list do not count; Chinese and Japanese
characters, other words and other signs are units; F1 is of the longest run of units that both have.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

__all__ = ["agreement", "is_by_character"]

#: Chinese characters and Japanese kana.
_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CHARACTER = re.compile(f"[{_HAN}]")
_OTHER_LETTER = re.compile(rf"[^\W\d_{_HAN}]")
_UNIT = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:[.'][^\W_{_HAN}]+)*|[^\w\s]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
#: The signs that CMRC's script removes.
_SIGNS = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def is_by_character(text: str) -> bool:
    """True for a text in which Chinese and Japanese characters are more than other letters are."""
    return len(_CHARACTER.findall(text)) > len(_OTHER_LETTER.findall(text))


def agreement(answer: str, gold: Sequence[str], *, by_character: bool) -> tuple[float, float]:
    """Returns F1 and exact match (0 or 1) of an answer with the gold answer that is nearest to it.

    No gold answers, and gold answers of nothing that counts, mean that the right answer is none, which is "".
    """
    units = _characters if by_character else _words
    said, true = units(answer), [unit for text in gold if (unit := units(text))] or [[]]
    overlap = _longest_run if by_character else _shared
    return max(_f1(said, of_gold, overlap(said, of_gold)) for of_gold in true), float(said in true)


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _characters(text: str) -> list[str]:
    return _UNIT.findall(text.lower().translate(_SIGNS))


def _f1(said: Sequence[str], true: Sequence[str], num_shared: int) -> float:
    """Returns 2PR / (P + R); of an answer or a gold answer that is empty 1 where both are."""
    if not (said and true):
        return float(not said and not true)
    return 2 * num_shared / (len(said) + len(true))


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """Returns how many units both have, each as often as both have it."""
    return sum((Counter(a) & Counter(b)).values())


def _longest_run(a: Sequence[str], b: Sequence[str]) -> int:
    """Returns the length of the longest run of units that both have; runs of that length hold all shorter ones."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if _runs(a, middle) & _runs(b, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _runs(units: Sequence[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(units[at : at + length]) for at in range(len(units) - length + 1)}
