"""Encodes prompts and chats with their answers as tokens: which are learned, and what is cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Ragged
from harness.errors import CheckpointError
from harness.tasks.completions.dialogue import AnsweredPrompt, Stretch
from harness.tasks.token_ids import stats_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["encode_dialogues"]


def encode_dialogues(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[AnsweredPrompt], limit: int, room: int
) -> tuple[dict[str, np.ndarray | Ragged], dict[str, Any]]:
    """Returns the fields of encoded rows, and statistics, `notes` on what was cut among them.

    `input_ids` are ragged [tokens]; `logits_to_keep`, ragged [tokens], is 1 where the next token is learned;
    `prompt_lengths` [rows] are the tokens before the answer, `bytes` [rows] the UTF-8 bytes of what is learned, and
    `whole_bytes` [rows] those that it had before it was cut.

    Args:
        tokenizer: that of the rows' `Dialogue`; no special token is read in their text.
        rows: what is encoded.
        limit: the tokens of a row. Of a longer one the beginning of the prompt is cut off, then the end of the answer.
        room: the tokens that stay free behind a prompt whose answer is to be written.
    """
    texts = [part.text for row in rows for part in (*row.prompt, *row.answer) if not part.ids]
    encoded = iter(_encoded(tokenizer, texts))
    ids: list[np.ndarray] = []
    keeps: list[np.ndarray] = []
    prompts, (sizes, whole_sizes) = np.zeros(len(rows), dtype=np.int32), np.zeros((2, len(rows)), dtype=np.int64)
    cut_prompts = cut_answers = 0
    for at, row in enumerate(rows):
        prompt, answer = (_tokens(parts, encoded) for parts in (row.prompt, row.answer))
        most = limit if row.answer else max(1, limit - room)
        over = len(prompt) + len(answer) - most
        num_bytes = sum(len(part.text.encode()) for part in (*row.prompt, *row.answer) if part.is_learned)
        whole_sizes[at] = num_bytes
        if over > 0:
            drop = max(0, min(over, len(prompt) - max(1, row.num_lead)))
            prompt = np.concatenate([prompt[: row.num_lead], prompt[row.num_lead + drop :]])
            cut_prompts += drop > 0
            cut_answers += over > drop
            answer = answer[: max(0, most - len(prompt))]
            whole = np.concatenate([prompt, answer])
            num_bytes = len(tokenizer.decode(whole[whole[:, 1] == 1, 0], skip_special_tokens=True).encode())
        whole = np.concatenate([prompt, answer])
        ids.append(whole[:, 0])
        keeps.append(np.append(whole[1:, 1], 0))
        prompts[at], sizes[at] = len(prompt), num_bytes
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.concatenate([*ids, np.zeros(0)]).astype(np.int32)
    fields: dict[str, np.ndarray | Ragged] = {
        "input_ids": Ragged(values=values, offsets=offsets),
        "logits_to_keep": Ragged(values=np.concatenate([*keeps, np.zeros(0)]).astype(np.uint8), offsets=offsets),
        "prompt_lengths": prompts,
        "bytes": sizes,
        "whole_bytes": whole_sizes,
    }
    unknown = int((values == tokenizer.unk_token_id).sum()) if tokenizer.unk_token_id is not None else 0
    stats = stats_of(lengths, cut_prompts + cut_answers, unknown, limit, tokenizer)
    return fields, stats | {"notes": _notes(len(rows), cut_prompts, cut_answers, limit)}


def _encoded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    try:
        batch = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)
    except Exception as error:  # the tokenizers library raises no other class
        raise CheckpointError(f"model.checkpoint: its tokenizer cannot encode the texts ({error})") from error
    found: list[list[int]] = batch["input_ids"]
    return found


def _tokens(parts: Sequence[Stretch], encoded: Iterator[list[int]]) -> np.ndarray:
    """Returns the tokens of stretches [tokens, 2]: id, and 1 where it is learned."""
    columns = [(number, int(part.is_learned)) for part in parts for number in (part.ids or tuple(next(encoded)))]
    return np.array(columns, dtype=np.int64).reshape(-1, 2)


def _notes(num_rows: int, cut_prompts: int, cut_answers: int, limit: int) -> list[str]:
    what, notes = f"more than {limit} tokens (data.max_length)", []
    if cut_prompts:
        notes.append(f"{cut_prompts:,} of {num_rows:,} rows have {what}: the beginning of the prompt is cut off")
    if cut_answers:
        notes.append(
            f"{cut_answers:,} of {num_rows:,} rows have {what}: the end of what is learned is cut off, and loss, "
            "perplexity and token accuracy are those of the rest"
        )
    return notes
