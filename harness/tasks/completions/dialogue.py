"""Lays out prompts, chats and documents as tokens: which are the prompt, and which are learned.

What a chat template writes is encoded with its special tokens. What people wrote is not: "<|im_end|>" in a prompt is
text, so that no prompt can close its own turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.data.kinds.completion import ASSISTANT, USER
from harness.errors import CheckpointError
from harness.tasks.token_ids import end_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["AnsweredPrompt", "Dialogue", "Stretch"]

#: The place of a turn's text in a rendered template: private characters that no template writes.
_PLACE = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a row: text that is encoded as text, or special tokens `ids`; `is_learned` tokens have a loss."""

    text: str = ""
    ids: tuple[int, ...] = ()
    is_learned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredPrompt:
    """The stretches of a row: those before its answer, of which the first `num_lead` tokens stay, and the answer."""

    prompt: tuple[Stretch, ...]
    answer: tuple[Stretch, ...] = ()
    num_lead: int = 0


@dataclass(frozen=True, slots=True)
class _Turn:
    """The place of a turn's text in a skeleton; `is_stripped` where the template removes white space around it."""

    number: int
    is_stripped: bool


class Dialogue:
    """How a tokenizer's model is asked and answers: by its chat template, or by plain text with a separator."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str, separator: str) -> None:
        """`template` and `separator` are the task's options."""
        self._tokenizer, self._separator = tokenizer, separator
        self.has_template = template == "auto" and bool(tokenizer.chat_template)
        self._end = end_of(tokenizer)
        self._lead = _lead(tokenizer)
        known = tokenizer.added_tokens_decoder.items()
        self._specials = {token.content: number for number, token in known if token.special}
        self._skeletons: dict[tuple[str, ...], tuple[int | str | _Turn, ...]] = {}

    @property
    def stop_ids(self) -> list[int]:
        """The tokens that end an answer."""
        ends = [self._end]
        if self.has_template:
            row = self.row([{"role": USER, "content": "a"}], "a")
            ends = [*row.answer[-1].ids, self._end]
        return list(dict.fromkeys(ends))

    def document(self, text: str, *, is_learned: bool) -> AnsweredPrompt:
        """Returns a document, which is learned from its first token on, or the beginning of one to be continued."""
        first = self._lead or (self._first,)
        lead = Stretch(ids=first)
        if not is_learned:
            return AnsweredPrompt(prompt=(lead, Stretch(text=text)), num_lead=len(first))
        answer = (Stretch(text=text, is_learned=True), Stretch(ids=(self._end,), is_learned=True))
        return AnsweredPrompt(prompt=(lead,), answer=answer, num_lead=len(first))

    @property
    def _first(self) -> int:
        begin = self._tokenizer.bos_token_id
        return int(begin) if begin is not None else self._end

    def row(self, prompt: str | Sequence[Mapping[str, str]], answer: str | None) -> AnsweredPrompt:
        """Returns a prompt or a chat with its answer; None: the answer is to be written.

        Raises:
            CheckpointError: a chat, and the tokenizer has no template, or one that refuses its roles.
        """
        if self.has_template:
            turns = [{"role": USER, "content": prompt}] if isinstance(prompt, str) else list(prompt)
            return self._chat(turns, answer)
        if not isinstance(prompt, str):
            raise CheckpointError(
                "model.checkpoint: its tokenizer has no chat template, so it cannot read messages; choose a checkpoint "
                "that was made for chats, or give the columns prompt and completion"
            )
        lead = (Stretch(ids=self._lead),) if self._lead else ()
        asked = (*lead, Stretch(text=prompt + self._separator))
        if answer is None:
            return AnsweredPrompt(prompt=asked, num_lead=len(self._lead))
        said = (Stretch(text=answer, is_learned=True), Stretch(ids=(self._end,), is_learned=True))
        return AnsweredPrompt(prompt=asked, answer=said, num_lead=len(self._lead))

    def _chat(self, turns: Sequence[Mapping[str, str]], answer: str | None) -> AnsweredPrompt:
        """Returns a chat, in which every answer is learned with the token that ends it."""
        skeleton = self._skeleton((*(turn["role"] for turn in turns), ASSISTANT))
        texts = [turn["content"] for turn in turns]
        prompt: list[Stretch] = []
        is_open = False  # the end of an answer belongs to it
        for at, part in enumerate(skeleton):
            if isinstance(part, _Turn) and part.number == len(turns):
                return AnsweredPrompt(prompt=tuple(prompt), answer=self._last(part, answer, skeleton[at + 1 :]))
            if isinstance(part, _Turn):
                text = texts[part.number].strip() if part.is_stripped else texts[part.number]
                is_open = turns[part.number]["role"] == ASSISTANT
                prompt += _merged(prompt, Stretch(text=text, is_learned=is_open))
            elif isinstance(part, int):
                prompt.append(Stretch(ids=(part,), is_learned=is_open))
                is_open = False
            else:
                prompt += _merged(prompt, Stretch(text=part, is_learned=is_open))
        raise CheckpointError("model.checkpoint: the chat template of its tokenizer leaves out the answer")

    def _last(self, turn: _Turn, answer: str | None, behind: Sequence[int | str | _Turn]) -> tuple[Stretch, ...]:
        if answer is None:
            return ()
        end = next((part for part in behind if isinstance(part, int)), self._end)
        said = Stretch(text=answer.strip() if turn.is_stripped else answer, is_learned=True)
        return (said, Stretch(ids=(end,), is_learned=True))

    def _skeleton(self, roles: tuple[str, ...]) -> tuple[int | str | _Turn, ...]:
        """Returns what the template writes for turns of these roles: special tokens, text, and the turns' places."""
        if roles not in self._skeletons:
            plain, spaced = (self._rendered(roles, space) for space in ("", " "))
            self._skeletons[roles] = tuple(self._parts(plain, spaced))
        return self._skeletons[roles]

    def _rendered(self, roles: Sequence[str], space: str) -> str:
        turns = [{"role": role, "content": f"{space}\ue000{at}\ue001{space}"} for at, role in enumerate(roles)]
        try:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False))
        except Exception as error:  # templates raise errors of their own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise CheckpointError(
                f"model.checkpoint: the chat template of its tokenizer refuses turns of {', '.join(roles)} "
                f"({reason[:200]})"
            ) from error

    def _parts(self, plain: str, spaced: str) -> Iterator[int | str | _Turn]:
        places = _PLACE.split(plain)
        for at, piece in enumerate(places):
            if at % 2:
                yield _Turn(int(piece), f" \ue000{piece}\ue001 " not in spaced)
            else:
                yield from self._specials_in(piece)

    def _specials_in(self, text: str) -> Iterator[int | str]:
        """Yields the special tokens of a template's text, and the text between them."""
        if not self._specials:
            yield from [text] if text else []
            return
        longest_first = sorted(self._specials, key=len, reverse=True)
        for piece in re.split(f"({'|'.join(map(re.escape, longest_first))})", text):
            if piece in self._specials:
                yield self._specials[piece]
            elif piece:
                yield str(piece)


def _merged(before: list[Stretch], stretch: Stretch) -> list[Stretch]:
    """Returns what is added for a stretch of text: text that is not learned is encoded together with text before it."""
    if before and before[-1].text and not (before[-1].is_learned or stretch.is_learned):
        last = before.pop()
        return [replace(last, text=last.text + stretch.text)]
    return [stretch]


def _lead(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Returns the special tokens that a tokenizer writes before a text."""
    special = set(tokenizer.all_special_ids)
    lead: list[int] = []
    for number in tokenizer("a")["input_ids"]:
        if number not in special:
            break
        lead.append(number)
    return tuple(lead)
