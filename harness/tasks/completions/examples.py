"""Lays out the rows of causal language models, which are prompts, chats or documents, and encodes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.augment import augment
from harness.data.clean import clean
from harness.data.encoded import Encoded
from harness.data.kinds.completion import ASSISTANT, USER, chat_of
from harness.errors import DataError
from harness.spec.study import PreprocessStep
from harness.spec.tasks import COMPLETION, DOCUMENT, MESSAGES, PROMPT
from harness.spec.trial import TrialConfig
from harness.stats.ragged import ragged_of
from harness.tasks.completions.dialogue import AnsweredPrompt, Dialogue
from harness.tasks.completions.tokens import encode_dialogues
from harness.tasks.token_ids import length_limit

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

__all__ = ["FORMAT", "augmented_rows", "completion_code", "dialogue_of", "encoded_rows", "shown", "text_columns"]

#: The key of config.json that says how a model is asked, and how much it writes.
FORMAT = "completion_format"


def dialogue_of(tokenizer: PreTrainedTokenizerBase, format_: Mapping[str, Any]) -> Dialogue:
    """Returns how the tokenizer's model is asked; `format_` holds the options template and separator."""
    return Dialogue(tokenizer, format_["template"], format_["separator"])


def augmented_rows(frame: pd.DataFrame, config: TrialConfig, seed: int | None) -> list[dict[str, Any]]:
    """Returns the rows of a table with prompts cleaned; with a `seed`, augmented copies follow the originals.

    Raises:
        DataError: the study cleans documents, or augments anything but prompts.
    """
    _refuse_changes(config, frame)
    steps = () if seed is None else config.data.augment
    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    copies = [dict(row) for _ in range(1 + len(steps)) for row in rows]
    if PROMPT.name in frame:
        prompts = clean(frame[PROMPT.name], config.data.preprocess)
        for row, prompt in zip(copies, augment(prompts, steps, seed or 0), strict=True):
            row[PROMPT.name] = prompt
    return copies


def encoded_rows(
    rows: Sequence[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    settings: PreTrainedConfig,
    format_: Mapping[str, Any],
    max_length: int,
    room: int = 0,
    preprocess: Sequence[PreprocessStep] = (),
) -> Encoded:
    """Returns the examples of rows, without targets; what was cut is among the `notes` of the stats.

    Args:
        rows: values by field; a row without a completion is one whose answer is to be written.
        tokenizer: that of the model.
        settings: the model's configuration.
        format_: see `dialogue_of`.
        max_length: the most tokens of a row.
        room: the tokens that stay free for an answer that is to be written.
        preprocess: the steps that clean prompts, and the turns of chats that are no answers.
    """
    dialogue = dialogue_of(tokenizer, format_)
    limit = length_limit(settings, tokenizer, max_length)
    laid_out = [_laid_out(dialogue, row, preprocess) for row in rows]
    fields, stats = encode_dialogues(tokenizer, laid_out, limit, min(room, limit // 2))
    stats["has_prompts"] = not any(row.get(DOCUMENT.name) is not None for row in rows)
    stats["padding"] = "right"
    lengths = np.diff(ragged_of(fields["input_ids"]).offsets).astype(np.int32)
    return Encoded(fields=fields, targets={}, lengths=lengths, stats=stats)


def text_columns(frame: pd.DataFrame) -> list[pd.Series[str]]:
    """Returns the prompts of a table (of chats all turns before the answer), and what is learned."""
    columns = [frame[COMPLETION.name]]
    if PROMPT.name in frame:
        columns.insert(0, frame[PROMPT.name])
    if MESSAGES.name in frame:
        columns.insert(0, frame[MESSAGES.name].map(_joined))
    return columns


def shown(row: Mapping[str, Any]) -> str:
    """Returns the prompt of a row, the turns of a chat, or the document."""
    if row.get(MESSAGES.name) is not None:
        return _joined(row[MESSAGES.name])
    return str(row[PROMPT.name] if row.get(PROMPT.name) is not None else row[DOCUMENT.name])


def _laid_out(dialogue: Dialogue, row: Mapping[str, Any], preprocess: Sequence[PreprocessStep]) -> AnsweredPrompt:
    answer = row.get(COMPLETION.name)
    if row.get(DOCUMENT.name) is not None:
        return dialogue.document(str(row[DOCUMENT.name]), is_learned=answer is not None)
    if row.get(MESSAGES.name) is None:
        return dialogue.row(clean([str(row[PROMPT.name])], preprocess)[0], answer)
    turns = _turns(row[MESSAGES.name])
    asked = [
        turn if turn["role"] == ASSISTANT else {**turn, "content": clean([turn["content"]], preprocess)[0]}
        for turn in turns
    ]
    return dialogue.row(asked, answer)


def _turns(value: Any) -> list[dict[str, str]]:
    """Returns the turns of a chat up to the one that is to be answered; a plain text is a chat of one turn."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [{"role": USER, "content": value}]
    turns = chat_of("messages", value) or []
    return turns[:-1] if turns and turns[-1]["role"] == ASSISTANT else turns


def completion_code(folder: str, pipeline: str) -> str:
    """Returns code for the pipeline; the export's generation_config.json says how answers end."""
    return (
        "from transformers import pipeline\n\n"
        f"complete = pipeline({json.dumps(pipeline)}, model={json.dumps(folder)})\n"
        f'separator = complete.model.config.{FORMAT}["separator"]\n'
        f'if complete.tokenizer.chat_template and complete.model.config.{FORMAT}["template"] == "auto":\n'
        '    print(complete([{"role": "user", "content": "a prompt"}], return_full_text=False))\n'
        "else:\n"
        '    print(complete("a prompt" + separator, return_full_text=False))'
    )


def _refuse_changes(config: TrialConfig, frame: pd.DataFrame) -> None:
    """Raises DataError for steps that would change what is learned, or for copies of what is no prompt."""
    if config.data.preprocess and DOCUMENT.name in frame:
        raise DataError(
            f"data.preprocess: {config.data.preprocess[0]} would change the documents, which are learned as they are; "
            "leave it out"
        )
    if config.data.augment and PROMPT.name not in frame:
        what = "documents, which are learned as they are" if DOCUMENT.name in frame else "the turns of chats"
        raise DataError(f"data.augment: {config.data.augment[0]} would change {what}; leave it out")


def _joined(turns: Any) -> str:
    """Returns the turns of a chat up to the one that is to be answered, a line each."""
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in _turns(turns))
