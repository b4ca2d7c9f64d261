"""Reads texts of lists, as Python, JSON and numpy write them to the cells of a table."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from harness.data.values import is_missing, number_of
from harness.errors import DataError

__all__ = ["list_of", "lists_of", "lists_or_labels"]

_CLOSING = {"[": "]", "(": ")", "{": "}"}
_NONE = frozenset(["nan", "none", "null", "<na>"])
_TRUTH = {"true": True, "false": False}
#: What numpy and Python write around a list that is no plain one.
_WRAPPED = re.compile(r"(?:np\.|numpy\.)?(?:array|list|set|frozenset|tuple)\((.*?)(?:,\s*dtype=[^)]*)?\)", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<string>np\.str_\()?(?P<quoted>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?(string)\))"
    r"|(?P<sign>[\[\](){},])|(?P<word>[^\s'\"\[\](){},]+))",
    re.DOTALL,
)


def list_of(text: str) -> list[Any] | None:
    """Returns the items of a text such as `['a', 'b']`, `["a", "b"]`, `['a' 'b']`, `[3 10]` or `('a', 'b')`.

    Items are quoted strings, numbers, truth values, missing ones (None) and lists of them, with commas or spaces
    between. Returns None for any other text, one of a list that numpy has cut (`...`) too.
    """
    text = text.strip()
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1].strip() or "[]"
    if text[:1] not in _CLOSING or text[-1:] != _CLOSING[text[:1]]:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _parsed(text)
    return _without_nan(value) if isinstance(value, list) else None


def lists_of(values: Sequence[Any]) -> Sequence[Any]:
    """Returns the lists that the values are, where all are texts of lists; the values themselves otherwise."""
    texts = {value for value in values if isinstance(value, str) and not is_missing(value)}
    if not texts or not all(text.lstrip().startswith("[") for text in texts):
        return values
    lists = {text: list_of(text) for text in texts}
    if any(value is None for value in lists.values()):
        return values
    return [lists.get(value, value) if isinstance(value, str) else value for value in values]


def lists_or_labels(place: str, column: str, values: Sequence[Any]) -> Sequence[Any]:
    """Returns labels with the lists that texts of lists are; other texts stay as they are.

    Brackets are part of a label where no text is a list of quoted strings, and some are no lists.

    Raises:
        DataError: a text in brackets is no list that can be read, where others are, or is an object of JSON.
    """
    texts = {value for value in values if isinstance(value, str) and value.strip()[:1] in (*_CLOSING, *"anslft")}
    lists = {text: items for text in texts if (items := list_of(text)) is not None}
    quoted = {text for text in lists if "'" in text or '"' in text}
    in_brackets = {text for text in texts if text.strip()[:1] in _CLOSING}
    others = {value for value in values if isinstance(value, str) and not is_missing(value)} - lists.keys()
    if not quoted and others:
        lists = {}
    for row, value in enumerate(values, start=1):
        if isinstance(value, str) and value in in_brackets and value not in lists and (quoted or _is_object(value)):
            raise DataError(
                f"{place}: row {row}: '{column}' is {value[:60]!r}, no list of labels that can be read; write it as "
                "['a', 'b'], or each row as a;b with data.label_separator=';'"
            )
    return [lists.get(value, value) if isinstance(value, str) else value for value in values] if lists else values


def _parsed(text: str) -> list[Any] | None:
    """Returns the items of a text that begins with a bracket and ends with the one that closes it."""
    open_lists: list[tuple[str, list[Any]]] = []
    at, whole, behind_value = 0, None, False
    while at < len(text) and (token := _TOKEN.match(text, at)):
        sign = token["sign"]
        if whole is not None or (behind_value and token["quoted"] and not text[at].isspace()):
            return None
        at = token.end()
        if sign in _CLOSING:
            open_lists.append((_CLOSING[sign], []))
            continue
        if not open_lists:
            return None
        if sign == ",":
            behind_value = False
            continue
        if sign is not None:
            closing, items = open_lists.pop()
            if sign != closing or (sign == ")" and len(items) == 1 and not re.search(r",\s*\)$", text[:at])):
                return None
            value: Any = items
        else:
            value = _item(token["quoted"], token["word"])
            if value is Ellipsis:
                return None
        behind_value = True
        if open_lists:
            open_lists[-1][1].append(value)
        else:
            whole = value
    return whole if at == len(text) else None


def _item(quoted: str | None, word: str | None) -> Any:
    """Returns the value of a quoted string or a word; Ellipsis for a word that is no value."""
    if quoted is not None:
        try:
            return ast.literal_eval(quoted)
        except (ValueError, SyntaxError):
            return quoted[1:-1]
    name = str(word).lower()
    if name in _NONE or name in _TRUTH:
        return _TRUTH.get(name)
    if number_of(str(word)) is None:
        return Ellipsis
    try:
        return ast.literal_eval(str(word))
    except (ValueError, SyntaxError):  # 007
        return word


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if value != value else value


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
