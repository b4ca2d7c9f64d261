"""Makes examples of questions and contexts: the task's options, windows for a model, and what a person should know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.encoded import Arrays, Encoded
from harness.spec.task_options import AnswerOptions
from harness.tasks.answering.windows import Windows, encode_windows
from harness.tasks.texts import uses_segments
from harness.tasks.token_ids import length_limit, padding_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

__all__ = ["MOST_TOKENS", "STRIDE", "encoded_windows", "notes_of", "options_of", "windows_of"]

#: The task's options, which config.json of a saved model keeps.
STRIDE, MOST_TOKENS = "doc_stride", "max_answer"


def options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the task's options, by default where they are not given."""
    defaults = AnswerOptions()
    return {name: int(str(given.get(name, getattr(defaults, name)))) for name in (STRIDE, MOST_TOKENS)}


def windows_of(
    questions: Sequence[str],
    contexts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    settings: PreTrainedConfig,
    max_length: int,
    options: Mapping[str, Any],
) -> tuple[Windows, dict[str, Any]]:
    """Returns the windows of rows for the model of `settings`, and their statistics; `options` are the task's."""
    segments = uses_segments(settings) and "token_type_ids" in tokenizer.model_input_names
    limit = length_limit(settings, tokenizer, max_length)
    windows = encode_windows(tokenizer, questions, contexts, limit, options[STRIDE], segments=segments)
    beside = {"padding": padding_of(settings), "num_rows": len(questions)}
    return windows, {**windows.stats, **beside, MOST_TOKENS: options[MOST_TOKENS]}


def notes_of(split: str, stats: Mapping[str, Any], stride: int) -> list[str]:
    """Returns what a person should know of how the texts of a split were cut."""
    notes = []
    if stats["shared_tokens"] < stride and split == "train":
        notes.append(
            f"windows of {stats['length_limit']} tokens share {stats['shared_tokens']} of their context, not {stride} "
            "(data.max_length, task_options.doc_stride)"
        )
    if stats["cut_questions"]:
        notes.append(
            f"{split}: {stats['cut_questions']} of {stats['num_rows']} questions are cut: they leave no room for the "
            "context (data.max_length, task_options.doc_stride)"
        )
    return notes


def encoded_windows(windows: Windows, stats: Mapping[str, Any], fields: Arrays, targets: Arrays) -> Encoded:
    """Returns windows as examples with `fields`, and the `targets` of their rows."""
    lengths = np.diff(windows.fields["input_ids"].offsets).astype(np.int32)
    return Encoded(fields=fields, targets=targets, lengths=lengths, row_of=windows.row_of, stats=stats)
