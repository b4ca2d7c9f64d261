"""Encodes texts that are cut into words, and tells where each word begins among the tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Ragged
from harness.errors import CheckpointError, DataError
from harness.tasks.token_ids import stats_of
from harness.tasks.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["FIRST_PIECES", "encode_words", "load_word_tokenizer", "placed_words", "with_places", "words_of"]

#: The field of encoded examples with the place of each word's first token among the tokens of its row; -1: cut off.
FIRST_PIECES = "first_pieces"
_CHUNK_ROWS = 4096
#: A Chinese or Japanese character, other letters and digits in a row, or a sign.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]")


def load_word_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Returns the tokenizer of a folder, ready for words.

    Raises:
        CheckpointError: it cannot be loaded, or does not say which tokens a word has.
    """
    tokenizer = load_tokenizer(folder)
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of '{folder}' ({type(tokenizer).__name__}) does not say which tokens a "
            "word has, and each word has a tag of its own; choose a checkpoint with a tokenizer.json"
        )
    if "ByteLevel" in str(tokenizer.backend_tokenizer.pre_tokenizer) and not tokenizer.add_prefix_space:
        return load_tokenizer(folder, add_prefix_space=True)  # GPT-2's and RoBERTa's words begin with their space
    return tokenizer


def words_of(value: Any) -> list[str]:
    """Returns the words of a row as a user gives it: a list of words, or a text, which is cut as `placed_words` does.

    A text that is a JSON list is that list.
    """
    return [word for word, _, _ in placed_words(value)]


def placed_words(value: Any) -> list[tuple[str, int, int]]:
    """Returns each word with its start and end in the text, in characters; words of a list have one space between.

    A text is cut at white space and around signs; Chinese and Japanese characters are words of their own.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        value = parsed if isinstance(parsed, list) and all(isinstance(word, str) for word in parsed) else value
    if isinstance(value, str):
        return [(match.group(), match.start(), match.end()) for match in _WORD.finditer(value)]
    words = [str(word) for word in value]
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    return [(word, int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True)]


def with_places(prediction: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Returns a prediction for the row `value` with its words, and the text, start and end of each entity."""
    words = placed_words(value)
    is_text = isinstance(value, str) and len(words) == len(_WORD.findall(value))
    text = str(value) if is_text else " ".join(word for word, _, _ in words)
    entities = []
    for entity in prediction["entities"]:
        first, behind = entity["words"]
        start, end = words[first][1], words[behind - 1][2]
        place = {"text": text[start:end], "type": entity["type"], "start": start, "end": end}
        entities.append(place | {"score": entity["score"]})
    return {"words": [word for word, _, _ in words], **prediction, "entities": entities}


def encode_words(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[str]], max_length: int
) -> tuple[dict[str, Ragged], dict[str, Any]]:
    """Returns token ids and first pieces of every row, and statistics of cut and unknown tokens.

    `cut_words` of the statistics counts the words without a token, because they lie beyond `max_length` or are nothing
    but signs that the tokenizer drops.

    Raises:
        DataError: `max_length` leaves no room for words.
    """
    if max_length <= tokenizer.num_special_tokens_to_add(pair=False):
        raise DataError(f"data.max_length: {max_length} tokens leave no room for words beside the special tokens")
    ids: list[list[int]] = []
    first: list[np.ndarray] = []
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = [list(words) for words in rows[start : start + _CHUNK_ROWS]]
        batch = tokenizer(
            chunk,
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids += batch["input_ids"]
        first += [_first_pieces(batch.word_ids(row), len(words)) for row, words in enumerate(chunk)]
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    cut = np.array([bool((pieces < 0).any()) for pieces in first], dtype=bool)
    unknown = sum(row.count(tokenizer.unk_token_id) for row in ids)
    values = np.fromiter(chain.from_iterable(ids), dtype=np.int32)
    fields = {
        "input_ids": Ragged(values=values, offsets=np.concatenate([[0], np.cumsum(lengths)])),
        FIRST_PIECES: Ragged(
            values=np.concatenate([*first, np.zeros(0, dtype=np.int32)]),
            offsets=np.concatenate([[0], np.cumsum([len(pieces) for pieces in first])]).astype(np.int64),
        ),
    }
    stats = stats_of(lengths, int(cut.sum()), unknown, max_length, tokenizer)
    return fields, stats | {"cut_words": int(sum((pieces < 0).sum() for pieces in first)), "cut_rows": int(cut.sum())}


def _first_pieces(word_ids: Sequence[int | None], num_words: int) -> np.ndarray:
    """Returns the place of each word's first token [words] int32; -1 for a word without one."""
    pieces = np.full(num_words, -1, dtype=np.int32)
    for place, word in reversed(list(enumerate(word_ids))):
        if word is not None:
            pieces[word] = place
    return pieces
