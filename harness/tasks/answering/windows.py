"""Encodes questions with their contexts in windows, and tells where each token is in the context.

A window holds the question and as much of the context as has room; two windows share some tokens of the context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Ragged
from harness.errors import CheckpointError, DataError
from harness.stats.answers import NO_ANSWER, tokens_of
from harness.tasks.token_ids import stats_of
from harness.tasks.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["ENDS", "POSITIONS", "STARTS", "Windows", "encode_windows", "load_offset_tokenizer", "positions_of"]

#: The fields with start and end of each token in the context, in characters: `NO_ANSWER` for the token that stands for
#: no answer, and `_OUTSIDE` for the others that are not of the context; and the field with the tokens of the answer.
STARTS, ENDS, POSITIONS = "starts", "ends", "positions"
_OUTSIDE = -2
_CHUNK_ROWS = 1024
#: The fewest tokens beside the special ones that a window may have.
_LEAST_ROOM = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows of all rows: `fields` by name, ragged [tokens]; `row_of` [windows], rising; and their statistics."""

    fields: dict[str, Ragged]
    row_of: np.ndarray
    stats: dict[str, Any]


def load_offset_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Returns the tokenizer of a folder.

    Raises:
        CheckpointError: it cannot be loaded, or does not say where its tokens are in a text.
    """
    tokenizer = load_tokenizer(folder)
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of '{folder}' ({type(tokenizer).__name__}) does not say where its tokens "
            "are in a text, and an answer is a part of a text; choose a checkpoint with a tokenizer.json"
        )
    return tokenizer


def encode_windows(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    contexts: Sequence[str],
    max_length: int,
    stride: int,
    *,
    segments: bool,
) -> Windows:
    """Returns the windows of all rows.

    Args:
        tokenizer: a fast one.
        questions: one a row; one with more tokens than half of those that two windows do not share is cut.
        contexts: one a row.
        max_length: tokens a window, special ones included.
        stride: tokens of the context that a window shares with the one before, at most half of what a window holds.
        segments: return token_type_ids too.

    Raises:
        DataError: a window has no room for a question and some of its context.
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    if room < _LEAST_ROOM:
        raise DataError(f"data.max_length: {max_length} tokens leave no room for a question and its context")
    shared = min(stride, room // 2)
    room -= shared
    ids: list[list[int]] = []
    kinds: list[list[int]] = []
    places: list[np.ndarray] = []
    row_of: list[int] = []
    cut = 0
    for start in range(0, len(questions), _CHUNK_ROWS):
        asked = list(questions[start : start + _CHUNK_ROWS])
        texts = list(contexts[start : start + _CHUNK_ROWS])
        asked, of_chunk = _shortened(tokenizer, asked, room // 2)
        cut += of_chunk
        batch = tokenizer(
            asked,
            texts,
            truncation="only_second",
            max_length=max_length,
            stride=shared,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=segments,
        )
        owners = batch["overflow_to_sample_mapping"]
        ids += batch["input_ids"]
        kinds += batch["token_type_ids"] if segments else []
        row_of += [start + owner for owner in owners]
        blanks = [np.array([sign.isspace() for sign in text], dtype=bool) for text in texts]
        for window, owner in enumerate(owners):
            inside = np.array([part == 1 for part in batch.sequence_ids(window)], dtype=bool)
            offsets = np.array(batch["offset_mapping"][window], dtype=np.int64)
            first = _first_special(batch["input_ids"][window], tokenizer)
            places.append(_places(offsets, inside, blanks[owner], first))
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    whole = np.concatenate([*places, np.zeros((0, 2), dtype=np.int32)])
    arrays = {
        "input_ids": np.fromiter(chain.from_iterable(ids), dtype=np.int32),
        STARTS: whole[:, 0].copy(),
        ENDS: whole[:, 1].copy(),
    }
    if segments:
        arrays["token_type_ids"] = np.fromiter(chain.from_iterable(kinds), dtype=np.int8)
    unknown = sum(row.count(tokenizer.unk_token_id) for row in ids)
    stats = stats_of(lengths, 0, unknown, max_length, tokenizer) | {"cut_questions": cut, "shared_tokens": shared}
    fields = {name: Ragged(values=values, offsets=bounds) for name, values in arrays.items()}
    return Windows(fields=fields, row_of=np.array(row_of, dtype=np.int64), stats=stats)


def _shortened(tokenizer: PreTrainedTokenizerBase, questions: list[str], most: int) -> tuple[list[str], int]:
    """Returns the questions with at most `most` tokens each, and how many were cut."""
    batch = tokenizer(
        questions,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    ends = [offsets[most - 1][1] if len(offsets) > most else None for offsets in batch["offset_mapping"]]
    cut = [question[:end] for question, end in zip(questions, ends, strict=True)]
    return cut, sum(end is not None for end in ends)


def _first_special(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns the place of the token that stands for no answer: the classification token, else the first."""
    special = tokenizer.cls_token_id
    return ids.index(special) if special is not None and special in ids else 0


def _places(offsets: np.ndarray, inside: np.ndarray, blank: np.ndarray, first: int) -> np.ndarray:
    """Returns start and end of each token in the context, without white space at its ends [tokens, 2] int32.

    Args:
        offsets: start and end of each token in its text.
        inside: which tokens are of the context.
        blank: which characters of the context are white space.
        first: the token that stands for no answer.
    """
    solid = np.flatnonzero(~blank)
    places = np.full(offsets.shape, _OUTSIDE, dtype=np.int32)
    if len(solid) and inside.any():
        starts, ends = offsets[inside].T
        # The first character of a token that is no white space, and the one behind its last.
        at = np.searchsorted(solid, starts)
        behind = np.searchsorted(solid, ends)
        found = behind > at
        trimmed = np.full((len(at), 2), _OUTSIDE, dtype=np.int32)
        trimmed[found, 0], trimmed[found, 1] = solid[at[found]], solid[behind[found] - 1] + 1
        places[inside] = trimmed
    places[first] = NO_ANSWER
    return places


def positions_of(windows: Windows, answers: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
    """Returns the first and the last token of each window's answer [windows, 2] int64.

    It is the first of the row's answers ([start, end] in characters), or the token that stands for no answer where the
    row has none or the window not all of it.
    """
    found = np.zeros((len(windows.row_of), 2), dtype=np.int64)
    for window, (places, row) in enumerate(zip(_by_window(windows), windows.row_of.tolist(), strict=True)):
        tokens = tokens_of(places, *map(int, answers[row][0])) if len(answers[row]) else None
        none = int(np.flatnonzero(places[:, 0] == NO_ANSWER)[0])
        found[window] = (none, none) if tokens is None else tokens
    return found


def _by_window(windows: Windows) -> Iterator[np.ndarray]:
    places = np.stack([windows.fields[STARTS].values, windows.fields[ENDS].values], axis=1)
    bounds = windows.fields[STARTS].offsets.tolist()
    for start, end in pairwise(bounds):
        yield places[start:end]
