"""Reads YAML text as plain values, with the line of every key: a small, safe subset of YAML.

Values are text, numbers, true, false, null, lists and mappings with text keys; anchors, tags, several documents and
YAML 1.1's special values (yes/no, 010, 12:30:00, dates) are not read. It works on the parser's events, so no Python
object is ever constructed and no depth of nesting can exhaust the stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import yaml

from harness.errors import Problem

__all__ = ["KeyPath", "Tree", "Unreadable", "dotted", "read_yaml"]

KeyPath = tuple[str | int, ...]
MAX_DEPTH = 20
ANCHORS = "anchors and aliases are not read; write the value out"
WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
REAL = re.compile(r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")


class Unreadable(Exception):
    """The text is not YAML, or not of our subset; the problem says from where on."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


@dataclass(slots=True, kw_only=True)
class Tree:
    """A document: its value, the line of each key or item by path, and the problems of single keys."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A collection that is being read; `key` is the mapping key whose value comes next."""

    value: dict[str, Any] | list[Any]
    path: KeyPath
    key: str | None = None


def dotted(path: KeyPath) -> str:
    """Returns `("data", "preprocess", 0)` as `data.preprocess[0]`; unusual keys are quoted and shortened."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        plain = re.fullmatch(r"[\w.-]{1,60}", part)
        text += ("." if text else "") + (part if plain else repr(part if len(part) <= 60 else part[:59] + "…"))
    return text


def read_yaml(text: str) -> Tree:
    """Reads one document; an empty one has value None.

    Raises:
        Unreadable: not YAML, more than one document, nested too deep, or a key that is not text.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _unreadable(f"not valid YAML: {error.problem or error.context}", line) from None
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
    ) as error:  # from chr() and int() of escapes and directives
        reason = getattr(error, "reason", None) or "an escape or directive is out of range"
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise _unreadable(f"not valid YAML: {reason}", line) from None
    return builder.tree


def _unreadable(message: str, line: int, key: KeyPath = ()) -> Unreadable:
    return Unreadable(Problem(key=dotted(key), message=" ".join(message.split()), line=line))


class _Builder:
    """Builds the tree from the parser's events, from the root down."""

    def __init__(self) -> None:
        self.tree = Tree()
        self._open: list[_Open] = []
        self._documents = 0
        self._line = 0

    def take(self, event: yaml.Event) -> None:
        if event.start_mark is not None:
            self._line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _unreadable("a second document starts here; a file holds one study", self._line)
        elif isinstance(event, yaml.AliasEvent):
            self._complain(self._place(None), ANCHORS)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self._key(parent, event)
            return
        value, wrong = _plain(event.value) if event.implicit[0] else (event.value, "")
        path = self._place(value)
        if wrong or not _is_text(event.value):
            self._complain(path, wrong or "contains a character that is no text")
        self._marks(path, event)

    def _key(self, parent: _Open, event: yaml.ScalarEvent) -> None:
        key, path = event.value, (*parent.path, event.value)
        if not key or not _is_text(key):
            raise _unreadable("a key must be a word", self._line, parent.path)
        if isinstance(parent.value, dict) and key in parent.value:
            self._complain(path, f"is given twice (first on line {self.tree.lines[path]})")
        self.tree.lines[path] = self._line
        self._marks(path, event)
        parent.key = key

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise _unreadable(f"nested deeper than {MAX_DEPTH} levels", self._line)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._place(value)
        self._marks(path, event)
        self._open.append(_Open(value, path))

    def _place(self, value: Any) -> KeyPath:
        """Puts a value into the open collection and returns its path."""
        path: KeyPath = ()
        if not self._open:
            self.tree.value = value
        elif isinstance((parent := self._open[-1]).value, list):
            path = (*parent.path, len(parent.value))
            parent.value.append(value)
        elif parent.key is None:
            raise _unreadable("a key must be a word, not a list, mapping or alias", self._line, parent.path)
        else:
            path = (*parent.path, parent.key)
            parent.value[parent.key] = value
            parent.key = None
        self.tree.lines.setdefault(path, self._line)
        return path

    def _marks(self, path: KeyPath, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self._complain(path, ANCHORS)
        if getattr(event, "tag", None) is not None:
            self._complain(path, "tags ('!...') are not read; leave it out")

    def _complain(self, path: KeyPath, message: str) -> None:
        self.tree.problems.append(Problem(key=dotted(path), message=message, line=self._line))


def _plain(text: str) -> tuple[Any, str]:
    """Returns the value of an unquoted word, and what is wrong with it ("" if nothing is)."""
    if text in WORDS:
        return WORDS[text], ""
    number: int | float | None = None
    if INTEGER.fullmatch(text):
        number = int(text) if len(text) <= 20 else None
    elif REAL.fullmatch(text):
        number = float(text)
    else:
        return text, ""
    if number is None or not isfinite(number) or (isinstance(number, int) and abs(number) >= 2**63):
        return None, "is a number out of range; put it in quotes if it is text"
    return number, ""


def _is_text(text: str) -> bool:
    """False for text with NUL or half a surrogate pair, which no file name or column may contain."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
