"""What two texts have in common, word by word; words are cut at white space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

__all__ = ["longest_common", "rouge_l", "same_words", "token_f1"]


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Returns the length of the longest common subsequence, by the bits of whole numbers (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for at, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << at
    everything = (1 << len(a)) - 1
    rest = everything
    for token in b:
        found = rest & places.get(token, 0)
        rest = (rest + found | rest - found) & everything
    return len(a) - rest.bit_count()


def rouge_l(said: str, true: str) -> float:
    """Returns the F measure of the longest common subsequence of tokens, cut at white space, without a stemmer.

    (Lin 2004, section 3, with beta 1.)
    """
    return _f_measure(said, true, longest_common)


def token_f1(said: str, true: str) -> float:
    """Returns the F measure of the tokens that both have, cut at white space, whatever their order."""
    return _f_measure(said, true, lambda a, b: (Counter(a) & Counter(b)).total())


def _f_measure(said: str, true: str, shared: Callable[[Sequence[str], Sequence[str]], int]) -> float:
    a, b = said.split(), true.split()
    return 2 * shared(a, b) / (len(a) + len(b)) if a or b else 1.0


def same_words(said: str, true: str) -> float:
    """Returns 1 for texts that differ in white space at most."""
    return float(said.split() == true.split())
