"""Chooses the answer of each row among the tokens of its windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.data.encoded import Ragged
from harness.stats.answers import NO_ANSWER

__all__ = ["RowTokens", "best_spans", "tokens_of_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTokens:
    """The tokens of all rows that an answer may begin or end at, window by window.

    `places` [tokens, 2] are their characters; each window begins with the token that stands for no answer, whose place
    is (-1, -1). `values` [tokens, 2] are the log-probabilities of start and end, `offsets` [rows + 1] the rows' tokens.
    """

    places: np.ndarray
    values: np.ndarray
    offsets: np.ndarray


def tokens_of_rows(tokens: Ragged, starts: Ragged, ends: Ragged, num_windows: np.ndarray) -> RowTokens:
    """Returns the tokens of the context, behind the one that stands for no answer, of every window.

    Args:
        tokens: log-probabilities of start and end of each window's tokens [tokens, 2].
        starts: their first characters; -1 for the token that stands for no answer, less for what is not of the context.
        ends: the characters behind their last.
        num_windows: how many windows each row has [rows].
    """
    counts = np.diff(np.asarray(tokens.offsets))
    window = np.repeat(np.arange(len(counts)), counts)
    places = np.stack([starts.values, ends.values], axis=1)
    kept = np.flatnonzero(places[:, 0] >= NO_ANSWER)
    kept = kept[np.lexsort((kept, places[kept, 0] != NO_ANSWER, window[kept]))]
    row = np.repeat(np.arange(len(num_windows)), num_windows)[window[kept]]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(num_windows)))]).astype(np.int64)
    return RowTokens(places=places[kept], values=np.asarray(tokens.values)[kept], offsets=offsets)


def best_spans(tokens: RowTokens, max_answer: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the likeliest answer of each row, and the log-probabilities of it and of no answer.

    An answer begins and ends in one window and has at most `max_answer` tokens. That of no answer is the smallest of
    the row's windows: where one window has an answer, the others have none.

    Returns:
        Start and end in characters [rows, 2] int64, (-1, -1) in a row without a token; and [rows, 2] fp32.
    """
    num_rows = len(tokens.offsets) - 1
    if not num_rows:
        return np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2), dtype=np.float32)
    is_none = tokens.places[:, 0] == NO_ANSWER
    window = np.cumsum(is_none)
    start, end = np.where(is_none[:, None], -np.inf, tokens.values.astype(np.float64)).T
    best, last = np.full(len(window), -np.inf), np.arange(len(window))
    for length in range(min(max_answer, len(window))):
        at = np.arange(len(window) - length)
        sums = np.where(window[at] == window[at + length], start[at] + end[at + length], -np.inf)
        better = sums > best[at]
        best[at[better]], last[at[better]] = sums[better], at[better] + length
    rows = tokens.offsets[:-1]
    highest = np.maximum.reduceat(best, rows)
    row_of = np.repeat(np.arange(num_rows), np.diff(tokens.offsets))
    ties = np.flatnonzero(best == highest[row_of])
    chosen = ties[np.searchsorted(row_of[ties], np.arange(num_rows))]
    spans = np.stack([tokens.places[chosen, 0], tokens.places[last[chosen], 1]], axis=1).astype(np.int64)
    none = np.where(is_none, tokens.values.sum(axis=1, dtype=np.float64), np.inf)
    scores = np.stack([highest, np.minimum.reduceat(none, rows)], axis=1)
    has_none = ~np.isfinite(highest)
    spans[has_none] = NO_ANSWER
    scores[has_none, 0] = np.log(np.finfo(np.float32).tiny)
    return spans, scores.astype(np.float32)
