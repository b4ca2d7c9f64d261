"""The fields that tasks read: what a column may be, and the usual ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ANSWERS",
    "BOXES",
    "CATEGORIES",
    "CLICK",
    "COLUMNS",
    "COMPLETION",
    "CONTEXT",
    "DOCUMENT",
    "IMAGE",
    "ITEM",
    "LABEL",
    "LABELS",
    "MESSAGES",
    "NOTE",
    "NOUNS",
    "NUMBER",
    "NUMBERS",
    "PROMPT",
    "QUESTION",
    "SOURCE",
    "TAGS",
    "TARGET",
    "TEXT",
    "TEXTS",
    "TEXT_PAIR",
    "USER",
    "WORDS",
    "Field",
    "FieldKind",
]

FieldKind = Literal[
    "text",
    "image",
    "words",
    "label",
    "label_set",
    "number",
    "tags",
    "answers",
    "prompt",
    "messages",
    "document",
    "completion",
    "category",
    "categories",
    "numbers",
    "click",
    "boxes",
]
#: The kinds of fields that hold text which a model reads.
TEXTS = ("text", "words", "prompt", "messages", "document")
#: The kinds of fields that are columns of a table of any values: rows of them are events, none of which is left out.
COLUMNS = ("category", "categories", "numbers")
#: What a name in the targets is called, and several of them, by the kinds of fields whose targets have names.
NOUNS: dict[str, tuple[str, str]] = {
    "label": ("class", "classes"),
    "label_set": ("label", "labels"),
    "tags": ("tag", "tags"),
    "click": ("class", "classes"),
    "boxes": ("class", "classes"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column that a task reads; `data.columns` gives its name in the table.

    `target` marks the field that is learned; `holds_target` one whose column is that of the target too. `short` is the
    key of `data` that may also name the column: text, text_pair or label. `many` says that `data.columns` may list
    several columns, which are read as one. Rows with the same value of the field that is the `unit` stay in one split
    where splits are made, and are drawn together for intervals, unless the study names other columns for that.
    """

    name: str
    kind: FieldKind
    target: bool = False
    required: bool = True
    many: bool = False
    unit: bool = False
    holds_target: bool = False
    short: Literal["text", "text_pair", "label"] | None = None

    @property
    def key(self) -> str:
        """The key of the study file that names the column."""
        return f"data.{self.short}" if self.short else f"data.columns.{self.name}"


TEXT = Field(name="text", kind="text", short="text")
TEXT_PAIR = Field(name="text_pair", kind="text", required=False, short="text_pair")
IMAGE = Field(name="image", kind="image")
LABEL = Field(name="label", kind="label", target=True, short="label")
LABELS = Field(name="labels", kind="label_set", target=True, many=True, short="label")
WORDS = Field(name="words", kind="words", short="text")
TAGS = Field(name="tags", kind="tags", target=True, short="label")
NUMBER = Field(name="number", kind="number", target=True, short="label")
QUESTION = Field(name="question", kind="text")
CONTEXT = Field(name="context", kind="text", unit=True)
ANSWERS = Field(name="answers", kind="answers", target=True)
PROMPT = Field(name="prompt", kind="prompt", required=False, many=True)
MESSAGES = Field(name="messages", kind="messages", required=False, holds_target=True)
DOCUMENT = Field(name="text", kind="document", required=False, holds_target=True)
COMPLETION = Field(name="completion", kind="completion", target=True)
SOURCE = Field(name="source", kind="text")
BOXES = Field(name="boxes", kind="boxes", target=True, many=True)
TARGET = Field(name="target", kind="completion", target=True)
USER = Field(name="user", kind="category", required=False)
ITEM = Field(name="item", kind="category", required=False)
CATEGORIES = Field(name="categories", kind="categories", required=False, many=True)
NUMBERS = Field(name="numbers", kind="numbers", required=False, many=True)
NOTE = Field(name="text", kind="text", required=False)
CLICK = Field(name="label", kind="click", target=True, short="label")
