"""chrF2 of a set of texts (Popović 2015, 2016): the runs of one to six characters that texts share with the true ones.

Precision and recall are counted over all texts, as sacrebleu counts them: white space does not count, case does.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.stats.metric import ratio

if TYPE_CHECKING:
    import numpy as np

__all__ = ["COUNTS", "chrf", "run_counts"]

_ORDER = 6
#: Recall counts so many times as much as precision.
_BETA = 2
#: The counts of a text: of runs in what is said, in what is true, and in both, for each length.
COUNTS = 3 * _ORDER


def run_counts(said: str, true: str) -> list[int]:
    """Returns the number of runs of 1 to 6 characters in `said`, in `true`, and in both [3 * 6].

    Runs that are longer than the true text do not count.
    """
    texts = ["".join(text.split()) for text in (said, true)]
    counts: list[list[int]] = []
    for length in range(1, _ORDER + 1):
        a, b = (Counter(text[at : at + length] for at in range(len(text) - length + 1)) for text in texts)
        counts.append([a.total() if b else 0, b.total(), (a & b).total()])
    return [count for part in zip(*counts, strict=True) for count in part]


def chrf(sums: np.ndarray) -> np.ndarray:
    """Returns chrF2 of sums [..., 18 or more] of `run_counts`; NaN where all of them are 0.

    Precision and recall are means over the lengths of which both sides have runs.
    """
    import numpy as np

    said, true, both = (sums[..., part * _ORDER : (part + 1) * _ORDER] for part in range(3))
    counted = (said > 0) & (true > 0)
    precision, recall = (
        ratio(np.where(counted, ratio(both, side, empty=0.0), 0.0).sum(axis=-1), counted.sum(axis=-1), empty=0.0)
        for side in (said, true)
    )
    found = ratio((1 + _BETA**2) * precision * recall, _BETA**2 * precision + recall, empty=0.0)
    scored: np.ndarray = np.where(said.sum(axis=-1) + true.sum(axis=-1) > 0, found, np.nan)
    return scored
