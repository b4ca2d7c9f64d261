"""The kinds of fields of causal language models: prompts, chats, documents, and the text that is learned.

The target of a chat is its last answer, that of a document the document itself: both fields read one column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.data.clean import normalised
from harness.data.kinds.base import Kind
from harness.data.kinds.inputs import Text
from harness.data.kinds.lists import list_of
from harness.data.values import as_text, is_missing
from harness.errors import DataError

__all__ = ["ASSISTANT", "ROLES", "USER", "Completion", "Document", "Messages", "Prompt", "chat_of"]

USER, ASSISTANT = "user", "assistant"
ROLES = ("system", USER, ASSISTANT)
#: What stands between the columns that are one prompt (Alpaca's instruction and input).
_BETWEEN = "\n\n"


class Prompt(Text):
    """What a completion follows: a text, or several columns of which those with a text follow each other."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns texts, with an empty line between those of several columns."""
        joined = [_joined(f"{place}: row {row}", value) for row, value in enumerate(values, start=1)]
        return super().read(place, column, joined)


class Messages(Kind):
    """The turns of a chat before its last answer: a list of {"role": ..., "content": ...}."""

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns the turns before the last one where that is an answer, else all of them."""
        chats = [chat_of(f"{place}: row {row}: '{column}'", value) for row, value in enumerate(_chats(values), start=1)]
        return [(chat[:-1] if _is_answered(chat) else chat) or None if chat else None for chat in chats]

    def words_in(self, value: Any) -> list[str]:
        """Returns the words of all turns."""
        return [word for turn in value for word in turn["content"].split()]

    def of_words(self, words: Sequence[str]) -> Any:
        """Returns a chat of one turn."""
        return [{"role": USER, "content": " ".join(words)}]

    def same(self, value: Any) -> str:
        """Returns the roles, and the texts after normalisation."""
        return "\0".join(f"{turn['role']}\0{normalised(turn['content'])}" for turn in value)


class Document(Text):
    """A text of which every token is learned."""


class Completion(Kind):
    """The text that is learned: a completion, the last answer of a chat, or a whole document. It is kept as it is."""

    target = "completions"

    def read(self, place: str, column: str, values: Sequence[Any]) -> list[Any]:
        """Returns texts; of a chat its last turn, None where that is no answer."""
        return [
            _answer(f"{place}: row {row}: '{column}'", value, column)
            for row, value in enumerate(_chats(values), start=1)
        ]

    def known(self, names: Sequence[str]) -> list[Any] | None:
        """Returns None: any text may be learned."""
        return None

    def same(self, value: Any) -> str:
        """Returns the text."""
        return str(value)

    def check(self, place: str, column: str, values: Sequence[Any]) -> None:
        """Refuses completions that are all the same."""
        if len(set(values)) == 1:
            what = f"{place}: every row has the completion '{values[0][:60]}' in '{column}'"
            raise DataError(f"{what}, so there is nothing to learn; name the right column in data.columns")


def chat_of(place: str, value: Any) -> list[dict[str, str]] | None:
    """Returns the turns of a chat; None where there are none. A text of a list is that list.

    Raises:
        DataError: it is no list of turns, or a turn has no role or no text; `place` begins the message.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        turns = list_of(value)
        value = value if turns is None else turns
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if is_missing(value):
        return None
    if not isinstance(value, (list, tuple)):
        raise DataError(
            f"{place} holds a {type(value).__name__}, not a list of messages: {str(value)[:60]!r}; write "
            '[{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}], or name the column of '
            "texts with data.columns.text"
        )
    return [_turn(f"{place}: message {at}", turn) for at, turn in enumerate(value, start=1)]


def _turn(place: str, turn: Any) -> dict[str, str]:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
        raise DataError(f'{place} is {str(turn)[:60]!r}, not {{"role": "user", "content": "a text"}}')
    role = turn.get("role")
    if role not in ROLES:
        raise DataError(f"{place} has the role {str(role)[:40]!r}; allowed: {', '.join(ROLES)}")
    return {"role": role, "content": as_text(place, turn["content"])}


def _is_answered(chat: Sequence[Mapping[str, str]]) -> bool:
    return bool(chat) and chat[-1]["role"] == ASSISTANT


def _chats(values: Sequence[Any]) -> Sequence[Any]:
    """Returns the chats that the values are, where all are texts of lists of turns, as JSON or as pandas has them."""
    texts = {value for value in values if isinstance(value, str) and not is_missing(value)}
    lists = {text: _list_of_turns(text) for text in texts}
    if any(turns is None for turns in lists.values()):
        return values
    return [lists.get(value, value) if isinstance(value, str) else value for value in values]


def _list_of_turns(text: str) -> list[Any] | None:
    """Returns the turns of a text of a list of mappings; None for any other text."""
    turns = list_of(text) if text.lstrip().startswith("[") else None
    return turns if turns and all(isinstance(turn, Mapping) for turn in turns) else None


def _answer(place: str, value: Any, column: str) -> str | None:
    if isinstance(value, (list, tuple, np.ndarray)):
        chat = chat_of(place, value)
        text = chat[-1]["content"] if chat is not None and _is_answered(chat) else None
        return None if is_missing(text) else text
    return None if is_missing(value) else as_text(place, value, column)


def _joined(place: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    texts = [as_text(f"{place}: '{column}'", cell, column) for column, cell in value.items() if not is_missing(cell)]
    return _BETWEEN.join(texts) or None
