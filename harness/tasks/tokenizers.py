"""Loads the tokenizer of a checkpoint, or trains one on the training split; and encodes texts with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Ragged
from harness.errors import CheckpointError, DataError
from harness.tasks.models import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

__all__ = ["encode_texts", "length_limit", "load_tokenizer", "tokenizer_digest", "train_tokenizer"]

#: Padding tokens count as positions in these models: positions start behind the pad token's id.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "longformer"}
_OFFSET_POSITIONS |= {"data2vec-text", "mpnet", "ibert", "luke", "xmod", "esm"}
_FILES = ("*.json", "*.txt", "*.model")
_VOCABULARIES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
    *("tokenizer.model.v3", "tekken.json"),
)
_CHUNK_ROWS = 4096
_UNLIMITED = 1_000_000


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Returns the tokenizer of a folder, with a pad token; "[SEP]" or "</s>" in a text is text, not a special token.

    Raises:
        CheckpointError: the folder has no tokenizer that can be loaded.
    """
    from transformers import AutoTokenizer

    # Without any of these transformers makes an empty tokenizer, to which every word is unknown.
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise CheckpointError(f"model.checkpoint: '{folder}' has no tokenizer (such as tokenizer.json)")
    try:
        with quiet():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, split_special_tokens=True)
    except Exception as error:  # missing files, missing converters and broken JSON raise all kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"model.checkpoint: '{folder}' has no tokenizer that loads ({reason[:200]})") from error
    if tokenizer.pad_token is None:  # GPT-2 and similar models
        if tokenizer.eos_token is None:
            raise CheckpointError(f"model.checkpoint: the tokenizer of '{folder}' has neither a pad nor an end token")
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.is_fast:
        raise CheckpointError(f"model.checkpoint: '{folder}' has no fast tokenizer (tokenizer.json)")
    return tokenizer


def tokenizer_digest(folder: Path) -> str:
    """Hashes every small file that a tokenizer or its limits may depend on."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}):
        if not path.name.endswith(".safetensors.index.json"):
            digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def train_tokenizer(texts: Sequence[str], vocab_size: int, max_length: int, segments: bool, folder: Path) -> None:
    """Trains byte-pair merges within lower-cased words and writes them as a transformers tokenizer.

    The same texts always give the same ids. So the library's WordPiece trainer and prefixes for inner pieces cannot be
    used: they number pieces in the order of a hash table, and no two runs would train the same model.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    specials = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    letters = Counter(letter for text in texts for letter in tokenizer.normalizer.normalize_str(text) if letter != " ")
    alphabet = sorted(letters, key=lambda letter: (-letters[letter], letter))[: max(0, vocab_size - len(specials))]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(specials.values()),
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    wrap(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        model_input_names=["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"],
        **specials,
    ).save_pretrained(folder)


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
) -> tuple[dict[str, Ragged], dict[str, Any]]:
    """Returns token ids (and, with `segments`, segment ids) of every row, and statistics of cut and unknown tokens.

    Args:
        tokenizer: a fast one.
        columns: one list of texts, or two of pairs.
        max_length: tokens a row, special ones included; the longer text of a pair is cut first.
        segments: return token_type_ids too.
        end_id: the token that every row must end with (T5 pools there); None: none.

    Raises:
        DataError: `max_length` leaves no room for text.
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pair=len(columns) == 2)
    if room < len(columns):
        raise DataError(f"data.max_length: {max_length} tokens leave no room for text beside the special tokens")
    ids: list[np.ndarray] = []
    kinds: list[np.ndarray] = []
    lengths: list[int] = []
    truncated = unknown = 0
    for start in range(0, len(columns[0]), _CHUNK_ROWS):
        batch = tokenizer(
            *(list(column[start : start + _CHUNK_ROWS]) for column in columns),
            truncation="longest_first",
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=segments,
        )
        truncated += sum(bool(encoding.overflowing) for encoding in batch.encodings)
        rows = [_ended(row, end_id, max_length, tokenizer.pad_token_id) for row in batch["input_ids"]]
        lengths.extend(map(len, rows))
        ids.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32))
        unknown += sum(row.count(tokenizer.unk_token_id) for row in batch["input_ids"])
        if segments:
            kinds.append(np.fromiter(chain.from_iterable(batch["token_type_ids"]), dtype=np.int8))
    counted = np.asarray(lengths, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(counted)])
    fields = {"input_ids": Ragged(values=np.concatenate(ids), offsets=offsets)}
    if segments:
        fields["token_type_ids"] = Ragged(values=np.concatenate(kinds), offsets=offsets)
    return fields, _stats(counted, truncated, unknown, max_length, tokenizer)


def _ended(row: list[int], end_id: int | None, max_length: int, filler: int) -> list[int]:
    """Returns a row with at least one token, which ends with `end_id` if that is not None."""
    if end_id is not None and (not row or row[-1] != end_id):
        return [*row[: max_length - 1], end_id]
    return row or [filler]


def _stats(
    lengths: np.ndarray, truncated: int, unknown: int, max_length: int, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
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
