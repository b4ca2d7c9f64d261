"""Encodes texts as token ids, and says how a model's rows are cut and padded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.data.encoded import Ragged
from harness.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedConfig, PreTrainedTokenizerBase

__all__ = [
    "WITHOUT_VOCABULARY",
    "encode_texts",
    "end_of",
    "least_tokens",
    "length_limit",
    "padding_of",
    "stats_of",
]

#: Padding tokens count as positions in these models: positions start behind the pad token's id.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "longformer"}
_OFFSET_POSITIONS |= {"data2vec-text", "mpnet", "ibert", "luke", "xmod", "esm"}
#: Models that read their answer at the last position, which must be a token: texts are padded on the left.
_PADDED_ON_THE_LEFT = {"xlnet"}
#: Models in which padding changes the answer for a text: FNet has no attention mask, the others mix tokens besides.
_UNPADDED = {"canine", "convbert", "fnet", "nystromformer", "yoso"}
#: Models that read characters by their code points.
WITHOUT_VOCABULARY = {"canine"}
_CHUNK_ROWS = 4096
_UNLIMITED = 1_000_000


def padding_of(config: PreTrainedConfig) -> Literal["left", "right", "none"]:
    """Returns the side on which a model's texts are padded, whatever its tokenizer's own default is.

    "none" is padded on the right in training; its answers are right in batches of texts of one length only.
    """
    if config.model_type in _UNPADDED:
        return "none"
    return "left" if config.model_type in _PADDED_ON_THE_LEFT else "right"


def least_tokens(config: PreTrainedConfig) -> int:
    """Returns the fewest tokens that a model can read: CANINE computes on groups of characters."""
    return int(getattr(config, "downsampling_rate", 1))


def end_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns the token that ends a text which a model writes.

    Raises:
        CheckpointError: there is none.
    """
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    if end is None:
        raise CheckpointError("model.checkpoint: its tokenizer has no end token, with which an answer could end")
    return int(end)


def length_limit(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, max_length: int) -> int:
    """Returns `max_length`, or what the model's positions and the tokenizer allow if that is less (tokens a row)."""
    limits = [max_length]
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        offset = tokenizer.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0
        limits.append(positions - offset)
    if 0 < tokenizer.model_max_length < _UNLIMITED:
        limits.append(tokenizer.model_max_length)
    return min(limits)


def encode_texts(
    tokenizer: PreTrainedTokenizerBase,
    columns: Sequence[Sequence[str]],
    max_length: int,
    *,
    segments: bool,
    end_id: int | None,
    least: int = 1,
) -> tuple[dict[str, Ragged], dict[str, Any]]:
    """Returns token ids (and, with `segments`, segment ids) of every row, and statistics of cut and unknown tokens.

    Args:
        tokenizer: a fast one, or one in Python.
        columns: one list of texts, or two of pairs.
        max_length: tokens a row, special ones included; the longer text of a pair is cut first.
        segments: return token_type_ids too.
        end_id: the token that every row must end with (T5 pools there); None: none.
        least: the fewest tokens of a row; a shorter one gets pad tokens that count as text.

    Raises:
        DataError: `max_length` leaves no room for text.
        CheckpointError: the tokenizer fails, as one whose files do not belong together.
    """
    num_special = tokenizer.num_special_tokens_to_add(pair=len(columns) == 2)
    room = max_length - num_special
    if room < len(columns):
        raise DataError(f"data.max_length: {max_length} tokens leave no room for text beside the special tokens")
    ids: list[np.ndarray] = []
    kinds: list[np.ndarray] = []
    lengths: list[int] = []
    truncated = unknown = mostly_unknown = 0
    for start in range(0, len(columns[0]), _CHUNK_ROWS):
        texts = [list(column[start : start + _CHUNK_ROWS]) for column in columns]
        try:
            batch = tokenizer(
                *texts,
                truncation="longest_first",
                max_length=max_length,
                return_attention_mask=False,
                return_token_type_ids=segments,
            )
        except Exception as error:  # the tokenizers library raises no other class
            raise CheckpointError(f"model.checkpoint: its tokenizer cannot encode the texts ({error})") from error
        truncated += _num_truncated(tokenizer, texts, batch, max_length)
        rows = [
            _completed(row, end_id, max_length, [tokenizer.pad_token_id] * (least - len(row)))
            for row in batch["input_ids"]
        ]
        lengths.extend(map(len, rows))
        ids.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32))
        counts = [row.count(tokenizer.unk_token_id) for row in batch["input_ids"]]
        unknown += sum(counts)
        mostly_unknown += sum(
            2 * count > len(row) - num_special for count, row in zip(counts, batch["input_ids"], strict=True)
        )
        if segments:
            kinds.append(np.fromiter(chain.from_iterable(batch["token_type_ids"]), dtype=np.int8))
    counted = np.asarray(lengths, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(counted)])
    fields = {"input_ids": Ragged(values=np.concatenate(ids), offsets=offsets)}
    if segments:
        fields["token_type_ids"] = Ragged(values=np.concatenate(kinds), offsets=offsets)
    stats = stats_of(counted, truncated, unknown, max_length, tokenizer)
    return fields, stats | {"num_mostly_unknown": mostly_unknown}


def _num_truncated(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[Sequence[str]], batch: BatchEncoding, max_length: int
) -> int:
    """Returns how many rows were cut. A tokenizer in Python does not say, so full rows are encoded again."""
    if batch.encodings is not None:
        return sum(bool(encoding.overflowing) for encoding in batch.encodings)
    full = [at for at, row in enumerate(batch["input_ids"]) if len(row) == max_length]
    if not full:
        return 0
    whole = tokenizer(*([column[at] for at in full] for column in texts), return_attention_mask=False, verbose=False)
    return sum(len(row) > max_length for row in whole["input_ids"])


def _completed(row: list[int], end_id: int | None, max_length: int, filler: list[int]) -> list[int]:
    """Returns a row that ends with `end_id` if that is not None, and has `filler` where it is too short."""
    if end_id is not None and (not row or row[-1] != end_id):
        return [*row[: max_length - 1], end_id]
    return [*row, *filler]


def stats_of(
    lengths: np.ndarray, truncated: int, unknown: int, max_length: int, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    """Returns the statistics of rows of `lengths` tokens, of which `truncated` were cut at `max_length`."""
    special = tokenizer.num_special_tokens_to_add(pair=False) * len(lengths)
    return {
        "truncated_fraction": truncated / len(lengths),
        "unknown_fraction": unknown / max(1, int(lengths.sum()) - special),
        "mean_length": float(lengths.mean()),
        "p95_length": float(np.percentile(lengths, 95)),
        "max_length": int(lengths.max()),
        "length_limit": max_length,
        "pad_token_id": tokenizer.pad_token_id,
    }
