"""The metrics of texts that are written: how probable the true ones are, and how good those are that a model writes.

Outputs are sums over the tokens of a row that are learned, `nll` (nats), `hits` and `tokens` [rows], the UTF-8 `bytes`
[rows] that these tokens are, and `whole_bytes` [rows] before they were cut; and what the model has written: `texts`,
ragged UTF-8 [bytes], for the rows where `is_written` [rows] is 1. The target is `completions`, ragged UTF-8 [bytes].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import inf, log
from typing import TYPE_CHECKING

from harness.stats.forms import mean, percentage
from harness.stats.metric import NATS, Arrays, Metric
from harness.stats.ragged import Ragged
from harness.stats.texts.chrf import COUNTS, chrf, run_counts
from harness.stats.texts.overlap import rouge_l, same_words, token_f1

if TYPE_CHECKING:
    import numpy as np

__all__ = ["COMPLETIONS", "TRANSLATIONS", "texts_of", "utf8"]


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


def _judged(judge: Callable[[str, str], Sequence[float]], width: int = 1) -> Callable[[Arrays, Arrays], np.ndarray]:
    """Returns the `row_stats` of a judge of written texts: its values [width] and 1; zeros for a row without text."""

    def row_stats(outputs: Arrays, targets: Arrays) -> np.ndarray:
        import numpy as np

        written = np.asarray(outputs["is_written"]).astype(bool)
        stats = np.zeros((len(written), width + 1))
        rows = np.flatnonzero(written)
        said, true = (texts_of(array.take(rows)) for array in (outputs["texts"], targets["completions"]))
        stats[rows, :-1] = np.array([judge(*pair) for pair in zip(said, true, strict=True)]).reshape(-1, width)
        stats[rows, -1] = 1
        return stats

    return row_stats


def _columns(*names: str) -> Callable[[Arrays, Arrays], np.ndarray]:
    """Returns the `row_stats` that are outputs [rows, names]."""

    def row_stats(outputs: Arrays, targets: Arrays) -> np.ndarray:
        import numpy as np

        return np.stack([np.asarray(outputs[name], dtype=np.float64) for name in names], axis=1)

    return row_stats


def _whole_bytes(outputs: Arrays, targets: Arrays) -> np.ndarray:
    """Returns the row stats of bits per byte: nats and bytes of each row before it was cut [rows, 2].

    What was cut off counts at the rate of what was kept, so that tokenizers that cut differently weigh rows alike; a
    row of which nothing is left has no rate.
    """
    import numpy as np

    kept = np.asarray(outputs["bytes"], dtype=np.float64)
    whole = np.where(kept > 0, outputs["whole_bytes"], 0.0)
    times = np.divide(whole, kept, out=np.zeros_like(kept), where=kept > 0)
    return np.stack([outputs["nll"] * times, whole], axis=1)


def _perplexity(sums: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(over="ignore"):
        perplexity: np.ndarray = np.exp(mean(sums))
    return perplexity


def _bits(sums: np.ndarray) -> np.ndarray:
    return mean(sums) / log(2)


def _written(name: str, title: str, judge: Callable[[str, str], float], *, is_share: bool = False) -> Metric:
    """Returns the metric that is the mean of a judge's values over the texts that a model has written."""
    row_stats = _judged(lambda said, true: [judge(said, true)])
    return percentage(name, title, row_stats, needs="texts", is_written=True, is_share=is_share)


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
        row_stats=_whole_bytes,
        of_sums=_bits,
    ),
    _written("exact_match", "exact match", same_words, is_share=True),
    _written("rouge_l", "ROUGE-L", rouge_l),
    _written("token_f1", "token F1", token_f1),
)
_BY_NAME = {metric.name: metric for metric in COMPLETIONS}
#: The metrics of texts that others are turned into.
TRANSLATIONS: tuple[Metric, ...] = (
    *(_BY_NAME[name] for name in ("loss", "token_accuracy", "bits_per_byte", "exact_match", "rouge_l")),
    percentage("chrf", "chrF", _judged(run_counts, COUNTS), chrf, needs="texts", is_written=True),
)
