"""Altered copies of training texts: random deletion and random swap of tokens.

These are the operations of EDA (Wei and Zou 2019, section 2) that need no word list.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from harness.data.clean import is_cjk
from harness.errors import look_up
from harness.spec.study import AugmentStep

__all__ = ["augment"]

#: Share of tokens that an operation touches (alpha in EDA, its recommended value for small data).
SHARE = 0.1


def augment(texts: Sequence[str], steps: Sequence[AugmentStep], seed: int) -> list[str]:
    """Returns `texts`, then an altered copy of them for each step: row i's copy j is at `i + j * len(texts)`.

    The same (seed, step, row) gives the same copy, whatever the other rows are.

    Raises:
        InputError: there is no such step.
    """
    out = list(texts)
    for step in steps:
        change = look_up(STEPS, step, "data.augment")
        for row, text in enumerate(texts):
            # random.random is the one draw that Python keeps the same between its versions; strings seed by sha512.
            out.append(change(text, random.Random(f"{seed}:{step}:{row}").random))
    return out


def _tokens(text: str) -> tuple[list[str], str]:
    """Returns words and a space to join them; characters for a text mostly of a script without spaces."""
    words = text.split()
    letters = sum(map(len, words))
    return (list(text), "") if sum(map(is_cjk, text)) * 2 > letters else (words, " ")


def _delete(text: str, draw: Callable[[], float]) -> str:
    tokens, joint = _tokens(text)
    kept = [token for token in tokens if draw() >= SHARE]
    if len(kept) == len(tokens) > 1:  # an equal copy would only repeat the row
        del kept[int(draw() * len(kept))]
    return joint.join(kept or tokens[:1])


def _swap(text: str, draw: Callable[[], float]) -> str:
    tokens, joint = _tokens(text)
    for _ in range(max(1, round(SHARE * len(tokens))) if len(tokens) > 1 else 0):
        a, b = int(draw() * len(tokens)), int(draw() * len(tokens))
        tokens[a], tokens[b] = tokens[b], tokens[a]
    return joint.join(tokens)


STEPS: Mapping[str, Callable[[str, Callable[[], float]], str]] = {"delete": _delete, "swap": _swap}
