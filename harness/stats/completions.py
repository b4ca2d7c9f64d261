"""The metrics of texts behind a prompt: how probable the true ones are, and how good those are that a model writes.

Outputs are sums over the tokens of a row that are learned, `nll` (nats), `hits` and `tokens` [rows], and the UTF-8
`bytes` [rows] that these tokens are; and what the model has written: `texts`, ragged UTF-8 [bytes], for the rows where
`is_written` [rows] is 1. The target is `completions`, ragged UTF-8 [bytes].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import inf, log
from typing import TYPE_CHECKING

from harness.stats.forms import mean, percentage
from harness.stats.metric import NATS, Arrays, Metric
from harness.stats.ragged import Ragged

if TYPE_CHECKING:
    import numpy as np

__all__ = ["COMPLETIONS", "longest_common", "rouge_l", "texts_of", "token_f1", "utf8"]


def utf8(texts: Iterable[str]) -> Ragged:
    """Returns texts as ragged UTF-8 [bytes]."""
    import numpy as np

    encoded = [text.encode() for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
    return Ragged(values=np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets=offsets)


def texts_of(array: Ragged) -> list[str]:
    """Returns the texts of ragged UTF-8 [bytes]."""
    import numpy as np

    whole, offsets = np.asarray(array.values).tobytes(), np.asarray(array.offsets).tolist()
    return [whole[start:end].decode("utf-8", "replace") for start, end in pairwise(offsets)]


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


def _same(said: str, true: str) -> float:
    """Returns 1 for texts that differ in white space at most."""
    return float(said.split() == true.split())


def _judged(judge: Callable[[str, str], float]) -> Callable[[Arrays, Arrays], np.ndarray]:
    """Returns the `row_stats` of a judge of written texts: its value and 1, or zeros for a row without a text."""

    def row_stats(outputs: Arrays, targets: Arrays) -> np.ndarray:
        import numpy as np

        written = np.asarray(outputs["is_written"]).astype(bool)
        stats = np.zeros((len(written), 2))
        rows = np.flatnonzero(written)
        said, true = (texts_of(array.take(rows)) for array in (outputs["texts"], targets["completions"]))
        stats[rows, 0] = [judge(*pair) for pair in zip(said, true, strict=True)]
        stats[rows, 1] = 1
        return stats

    return row_stats


def _columns(*names: str) -> Callable[[Arrays, Arrays], np.ndarray]:
    """Returns the `row_stats` that are outputs [rows, names]."""

    def row_stats(outputs: Arrays, targets: Arrays) -> np.ndarray:
        import numpy as np

        return np.stack([np.asarray(outputs[name], dtype=np.float64) for name in names], axis=1)

    return row_stats


def _perplexity(sums: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(over="ignore"):
        perplexity: np.ndarray = np.exp(mean(sums))
    return perplexity


def _bits(sums: np.ndarray) -> np.ndarray:
    return mean(sums) / log(2)


def _written(name: str, title: str, judge: Callable[[str, str], float], *, is_share: bool = False) -> Metric:
    """Returns the metric that is the mean of a judge's values over the texts that a model has written."""
    return percentage(name, title, _judged(judge), needs="texts", is_written=True, is_share=is_share)


COMPLETIONS: tuple[Metric, ...] = (
    Metric(
        name="loss",
        title="loss",
        maximize=False,
        low=0.0,
        high=inf,
        unit=NATS,
        needs="nll",
        by_tokens=True,
        row_stats=_columns("nll", "tokens"),
        of_sums=mean,
    ),
    Metric(
        name="perplexity",
        title="perplexity",
        maximize=False,
        low=1.0,
        high=inf,
        needs="nll",
        by_tokens=True,
        row_stats=_columns("nll", "tokens"),
        of_sums=_perplexity,
    ),
    percentage("token_accuracy", "token accuracy", _columns("hits", "tokens"), needs="nll", by_tokens=True),
    Metric(
        name="bits_per_byte",
        title="bits per byte",
        maximize=False,
        low=0.0,
        high=inf,
        needs="nll",
        row_stats=_columns("nll", "bytes"),
        of_sums=_bits,
    ),
    _written("exact_match", "exact match", _same, is_share=True),
    _written("rouge_l", "ROUGE-L", rouge_l),
    _written("token_f1", "token F1", token_f1),
)
