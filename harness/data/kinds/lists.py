"""Reads texts of lists and mappings, as Python, JSON and numpy write them to the cells of a table."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from harness.data.values import is_missing, number_of
from harness.errors import DataError

__all__ = ["list_of", "lists_of", "lists_or_labels", "value_of"]

_CLOSING = {"[": "]", "(": ")", "{": "}"}
_NONE = frozenset(["nan", "none", "null", "<na>"])
_TRUTH = {"true": True, "false": False}
#: What numpy and Python write before a list, or before a string or a number of numpy's.
_WRAPPER = r"(?:(?:np\.|numpy\.)?(?:array|list|set|frozenset|tuple)|np\.\w+)\("
_TOKEN = re.compile(
    rf"(?P<space>\s*)(?:(?P<wrapper>{_WRAPPER})|(?P<quoted>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<dtype>,\s*dtype=[^)]*)|(?P<open>[\[({])|(?P<close>[\])}])|(?P<sign>[,:])"
    r"|(?P<word>[^\s'\"\[\](){},:]+))",
    re.DOTALL,
)


def list_of(text: str) -> list[Any] | None:
    """Returns the items of a text such as `['a', 'b']`, `["a", "b"]`, `['a' 'b']`, `[3 10]` or `('a', 'b')`.

    Returns None for any other text; see `value_of`.
    """
    value = value_of(text)
    return value if isinstance(value, list) else None


def value_of(text: str) -> list[Any] | dict[Any, Any] | None:
    """Returns the list or the mapping that a text spells; tuples, sets and arrays are lists.

    Items are quoted strings, numbers, truth values, missing ones (None), lists and mappings, with commas or spaces
    between. Returns None for any other text, one of a list that numpy has cut (`...`) too.
    """
    text = text.strip()
    if text[:1] not in _CLOSING and not re.match(_WRAPPER, text):
        return None
    try:
        value = _without_nan(json.loads(text))
    except (ValueError, RecursionError):
        try:
            value = _plain(ast.parse(_as_python(text), mode="eval").body)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return None
    return value if isinstance(value, (list, dict)) else None


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
        DataError: a text in brackets is no list that can be read, where others are, or is a mapping.
    """
    texts = {value for value in values if isinstance(value, str) and value.strip()[:1] in (*_CLOSING, *"anslft")}
    lists = {text: items for text in texts if (items := list_of(text)) is not None}
    quoted = {text for text in lists if "'" in text or '"' in text}
    in_brackets = {text for text in texts if text.strip()[:1] in _CLOSING}
    others = {value for value in values if isinstance(value, str) and not is_missing(value)} - lists.keys()
    if not quoted and others:
        lists = {}
    no_lists = {text for text in in_brackets - lists.keys() if quoted or isinstance(value_of(text), dict)}
    for row, value in enumerate(values, start=1):
        if isinstance(value, str) and value in no_lists:
            raise DataError(
                f"{place}: row {row}: '{column}' is {value[:60]!r}, no list of labels that can be read; write it as "
                "['a', 'b'], or each row as a;b with data.label_separator=';'"
            )
    return [lists.get(value, value) if isinstance(value, str) else value for value in values] if lists else values


def _as_python(text: str) -> str:
    """Returns a text in brackets as Python writes it: with commas between items, and without the names of types.

    Raises:
        ValueError: the text is none that Python, JSON or numpy write.
    """
    parts: list[str] = []
    at, depth, is_behind_value = 0, 0, False
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or (depth == 0 and parts):
            raise ValueError(text)
        at, kind = token.end(), token.lastgroup
        begins = kind in ("wrapper", "open", "quoted", "word")
        if begins and is_behind_value:
            if not token["space"]:  # 'a''b'
                raise ValueError(text)
            parts.append(",")
        depth += (kind in ("wrapper", "open")) - (kind == "close")
        is_behind_value = kind in ("quoted", "word", "close", "dtype")
        if kind in ("quoted", "word"):
            parts.append(repr(_item(token["quoted"], token["word"])))
        elif kind != "dtype":
            parts.append("(" if kind == "wrapper" else token[str(kind)])
    return "".join(parts)


def _item(quoted: str | None, word: str | None) -> Any:
    """Returns the value of a quoted string or a word.

    Raises:
        ValueError: the word is no value.
    """
    if quoted is not None:
        try:
            return ast.literal_eval(quoted)
        except (ValueError, SyntaxError):
            return quoted[1:-1]
    name = str(word).lower()
    if name in _NONE or name in _TRUTH:
        return _TRUTH.get(name)
    if number_of(str(word)) is None:
        raise ValueError(word)
    try:
        return ast.literal_eval(str(word))
    except (ValueError, SyntaxError):  # 007
        return word


def _plain(node: ast.expr) -> Any:
    """Returns the value of an expression, with lists for tuples and sets, whose order it keeps."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [_plain(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_plain(key): _plain(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    return ast.literal_eval(node)


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if value != value else value
