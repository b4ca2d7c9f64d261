"""Encodes sources and targets for encoder-decoders, and makes what a decoder reads of the targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Encoded, Ragged
from harness.errors import CheckpointError
from harness.stats.ragged import ragged_of
from harness.tasks.token_ids import encode_texts, end_of, length_limit

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

__all__ = ["LABELS", "START", "decoder_inputs", "encoded_pairs", "half_of", "pair_code"]

#: The field with the tokens of targets, and the key of the stats for the token before the first of them.
LABELS, START = "labels", "decoder_start_token_id"


def half_of(settings: PreTrainedConfig, name: str) -> PreTrainedConfig:
    """Returns the configuration of the `encoder` or the `decoder` of a model of two parts; of another model its own."""
    half = getattr(settings, name, None)
    return settings if half is None or isinstance(half, (dict, str)) else half


def encoded_pairs(
    sources: Sequence[str],
    targets: Sequence[str | None],
    tokenizer: PreTrainedTokenizerBase,
    settings: PreTrainedConfig,
    start: int,
    max_length: int,
) -> Encoded:
    """Returns the examples of sources with their targets, without the targets of metrics.

    `input_ids` are the tokens of sources, ragged; `labels` those of targets with the end token, ragged, none where a
    row has no target; `bytes` [rows] the UTF-8 bytes of what is learned, `whole_bytes` [rows] those of the targets
    before they were cut. An example's length is that of both together.

    Args:
        sources: cleaned texts.
        targets: texts, or None for rows whose target is to be written.
        tokenizer: that of the model.
        settings: the model's configuration.
        start: the token that the decoder begins with; a target's own first token is left out where it is that.
        max_length: the most tokens of a source, and of a target.

    Raises:
        CheckpointError: the tokenizer has no end token, or fails.
        DataError: `max_length` leaves no room for text.
    """
    end = end_of(tokenizer)
    limit = length_limit(half_of(settings, "encoder"), tokenizer, max_length)
    fields, stats = encode_texts(tokenizer, [sources], limit, segments=False, end_id=end)
    most = length_limit(half_of(settings, "decoder"), tokenizer, max_length)
    labels, of_bytes, notes = _encoded_targets(targets, tokenizer, start, end, most)
    if stats["truncated_fraction"]:
        cut = round(stats["truncated_fraction"] * len(sources))
        what = f"more than {limit} tokens (data.max_length)"
        notes.insert(0, f"{cut:,} of {len(sources):,} sources have {what}: their end is cut off")
    lengths = np.diff(np.asarray(fields["input_ids"].offsets)) + np.diff(labels.offsets)
    kept = {name: value for name, value in stats.items() if name != "num_mostly_unknown"}
    kept |= {"mean_length": float(lengths.mean()), "p95_length": float(np.percentile(lengths, 95))}
    kept |= {"max_length": int(lengths.max()), START: start, "padding": "right", "notes": notes}
    return Encoded(
        fields={**fields, LABELS: labels, **of_bytes}, targets={}, lengths=lengths.astype(np.int32), stats=kept
    )


def decoder_inputs(encoded: Encoded, rows: np.ndarray) -> dict[str, torch.Tensor]:
    """Returns what the decoder reads of `rows`, int64 [rows, longest target], and the tokens that follow.

    `decoder_input_ids` begin with the start token and are padded on the right; `labels` are the tokens that follow
    each, `IGNORED` behind the last. Rows without targets have the start token alone.
    """
    import torch

    from harness.tasks.losses import IGNORED

    tokens = ragged_of(encoded.fields[LABELS]).take(rows)
    lengths = np.diff(tokens.offsets)
    columns = np.arange(max(1, int(lengths.max(initial=0))))
    is_learned = columns < lengths[:, None]
    labels = np.full(is_learned.shape, IGNORED, dtype=np.int64)
    labels[is_learned] = tokens.values
    read = np.full(is_learned.shape, int(encoded.stats["pad_token_id"]), dtype=np.int64)
    read[:, 1:] = np.where(is_learned[:, 1:], labels[:, :-1], read[:, 1:])
    read[:, 0] = int(encoded.stats[START])
    mask = columns < np.maximum(lengths, 1)[:, None]
    return {
        "decoder_input_ids": torch.from_numpy(read),
        "decoder_attention_mask": torch.from_numpy(mask.astype(np.int64)),
        "labels": torch.from_numpy(labels),
    }


def pair_code(folder: str) -> str:
    """Returns Python code that writes the target of a source with the model of `folder` and plain transformers."""
    return f"""from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({json.dumps(folder)})
model = AutoModelForSeq2SeqLM.from_pretrained({json.dumps(folder)})
# transformers 5 has no pipeline for this: its text2text-generation is gone
inputs = tokenizer("a source", return_tensors="pt")
inputs.pop("token_type_ids", None)
written = model.generate(**inputs)
print(tokenizer.decode(written[0], skip_special_tokens=True))"""


def _encoded_targets(
    targets: Sequence[str | None], tokenizer: PreTrainedTokenizerBase, start: int, end: int, most: int
) -> tuple[Ragged, dict[str, np.ndarray], list[str]]:
    """Returns the tokens of targets, their bytes [rows], kept and whole, and notes on what is cut or not writable."""
    texts = [text for text in targets if text is not None]
    found = iter(_ids(tokenizer, texts))
    ids: list[list[int]] = []
    num_bytes = np.zeros(len(targets), dtype=np.int64)
    cut: set[int] = set()
    for at, text in enumerate(targets):
        row = [] if text is None else next(found)
        if row and row[0] == start:
            row = row[1:]
        if text is not None and (not row or row[-1] != end):
            row = [*row, end]
        if len(row) > most:
            row = row[:most]
            cut.add(at)
        ids.append(row)
        num_bytes[at] = len(text.encode()) if text is not None else 0
    written = tokenizer.batch_decode(ids, skip_special_tokens=True) if ids else []
    of_bytes = {"bytes": num_bytes, "whole_bytes": num_bytes.copy()}
    for at in cut:
        num_bytes[at] = len(written[at].encode())
    whole = [pair for at, pair in enumerate(zip(targets, written, strict=True)) if at not in cut]
    changed = sum(text is not None and text.split() != back.split() for text, back in whole)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
    values = np.array([number for row in ids for number in row], dtype=np.int32)
    return Ragged(values=values, offsets=offsets), of_bytes, _notes(len(texts), len(cut), changed, most)


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    try:
        batch: Any = tokenizer(text_target=list(texts), return_attention_mask=False, verbose=False)
    except Exception as error:  # the tokenizers library raises no other class
        raise CheckpointError(f"model.checkpoint: its tokenizer cannot encode the texts ({error})") from error
    found: list[list[int]] = batch["input_ids"]
    return found


def _notes(num_rows: int, num_cut: int, num_changed: int, most: int) -> list[str]:
    notes = []
    if num_cut:
        notes.append(
            f"{num_cut:,} of {num_rows:,} targets have more than {most} tokens (data.max_length): their end is cut "
            "off, and loss and token accuracy are those of the rest"
        )
    if num_changed:
        notes.append(
            f"{num_changed:,} of {num_rows:,} targets cannot be written as they are by the checkpoint's tokenizer "
            "(capitals, spaces around signs, unknown characters), so exact_match cannot be reached for them"
        )
    return notes
