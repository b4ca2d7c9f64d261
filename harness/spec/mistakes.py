"""Makes messages of validation errors: one for each key of a study, with what is allowed and the nearest name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import nearest
from harness.spec.space import Choices, Range
from harness.spec.study import CHECKPOINT_PATTERN, DELIMITER_PATTERN, NAME_PATTERN, REVISION_PATTERN, StudySpec
from harness.spec.study.other_keys import other_key
from harness.spec.yamltree import KeyPath

__all__ = ["PATTERNS", "SHORT_NAMES", "long_name", "mistakes", "related", "show"]

#: What narrow tables call the keys of a study, by the last part of the key.
SHORT_NAMES = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "warmup_fraction": "warmup",
    "weight_decay": "decay",
    "label_smoothing": "smoothing",
    "accumulation_steps": "accum",
    "class_weights": "weights",
    "max_grad_norm": "clip",
    "max_length": "length",
    "train_rows": "rows",
}

DEMANDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "none_required": "null",
    "tuple_type": "a list",
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "string_too_short": "at least one character",
    "too_short": "a list of at least one value",
    "union_tag_invalid": "a list or {choices: [[...], ...]}",
}
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
PATTERNS = {
    NAME_PATTERN: "1 to 64 letters, digits, '.', '_' or '-'",
    REVISION_PATTERN: "a commit of 40 hex digits (a branch or tag may move)",
    DELIMITER_PATTERN: "comma, semicolon, tab, pipe or one character",
    CHECKPOINT_PATTERN: "a name or folder, with '#layers=<number>' or no '#' behind it",
}


def mistakes(error: ValidationError, raw: Any) -> dict[KeyPath, str]:
    """Returns a message for each path of `raw` that is wrong; of a value and its parts, for the parts only."""
    details_by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        details_by_path.setdefault(_path(detail, raw), []).append(detail)
    for path in _neither_range_nor_choices(details_by_path):
        for key in [key for key in details_by_path if key[: len(path)] == path]:
            del details_by_path[key]
        details_by_path[path] = []
    parents = {path[:depth] for path in details_by_path for depth in range(len(path))}
    return {path: _message(path, details, raw) for path, details in details_by_path.items() if path not in parents}


def related(path: KeyPath, other: KeyPath) -> bool:
    """True when one path leads to or through the other."""
    return path[: len(other)] == other[: len(path)]


def show(value: object) -> str:
    """Returns a value as the file has it, in at most 60 characters."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _path(detail: ErrorDetails, raw: Any) -> KeyPath:
    """Returns the error's path in the data.

    The error's location also holds labels of union branches, which are left out.
    """
    path: list[str | int] = []
    node = raw
    for part in detail["loc"]:
        is_in_data = part in node if isinstance(node, dict) else isinstance(node, list) and part in range(len(node))
        if is_in_data:
            node = node[part]
            path.append(part)
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else tuple(path)


def _neither_range_nor_choices(details_by_path: dict[KeyPath, list[ErrorDetails]]) -> list[KeyPath]:
    missing = {path for path, details in details_by_path.items() if path and details[0]["type"] == "missing"}
    return [path[:-1] for path in missing if path[-1] == "low" and (*path[:-1], "high") in missing]


def _message(path: KeyPath, details: list[ErrorDetails], raw: Any) -> str:
    value = _value(raw, path)
    if not details:
        misspelt = next(filter(None, (nearest(key, ("low", "high", "choices")) for key in value)), "")
        return f"must be a value, {{low: ..., high: ...}} or {{choices: [...]}}, not {show(value)}{misspelt}"
    kinds = {detail["type"] for detail in details}
    if "missing" in kinds:
        return "is missing"
    if "extra_forbidden" in kinds:
        return _unknown(path, raw)
    if "value_error" in kinds:
        return str(details[0]["ctx"]["error"])
    nearly = [detail for detail in details if detail["type"] in ("string_pattern_mismatch", "string_too_short")]
    demands = dict.fromkeys(_demand(detail) for detail in nearly or details)
    words = [word for detail in details for word in _literals(detail)]
    hint = nearest(value, words) if isinstance(value, str) else ""
    if not hint and "string_type" in kinds and isinstance(value, (int, float)):
        hint = "; put it in quotes"
    if "model_type" in kinds and isinstance(value, str) and value.isprintable() and "name" in _allowed_keys(path, raw):
        hint = f"; write {{name: {value[:60]}}}"
    return f"must be {' or '.join(demands)}, not {show(value)}{hint}"


def _demand(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        words = _literals(detail)
        return f"one of {', '.join(words)}" if len(words) > 1 else repr(words[0])
    if kind in BOUNDS:
        name, words_ = BOUNDS[kind]
        limit = context[name]
        return f"{words_} {limit:g}" if isinstance(limit, float) else f"{words_} {limit}"
    if kind == "string_pattern_mismatch":
        return PATTERNS[context["pattern"]]
    return DEMANDS.get(kind) or f"valid ({detail['msg']})"


def _literals(detail: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", detail["ctx"]["expected"]) if detail["type"] == "literal_error" else []


def _unknown(path: KeyPath, raw: Any) -> str:
    key, allowed = str(path[-1]), _allowed_keys(path[:-1], raw)
    if instead := other_key(key):
        return f"unknown key; here it is {instead}"
    name = long_name(key)
    elsewhere = [full for full in _full_keys(StudySpec) if full.rpartition(".")[2] == name]
    hint = nearest(name, allowed) if name in allowed or name == key else ""
    if not hint and elsewhere:
        hint = f"; did you mean {' or '.join(repr(full) for full in elsewhere)}?"
    return f"unknown key; allowed here: {', '.join(allowed)}{hint}"


def _allowed_keys(path: KeyPath, raw: Any) -> list[str]:
    """Returns the keys that the section at `path` may have."""
    section: type[BaseModel] = StudySpec
    for key in path:
        models = list(_models(section.model_fields[str(key)].annotation))
        searched = Choices if "choices" in (_value(raw, path) or ()) else Range
        section = next((model for model in models if issubclass(model, searched)), models[0])
    return [field.alias or name for name, field in section.model_fields.items()]


def _full_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        nested = [model for model in _models(field.annotation) if not issubclass(model, (Range, Choices))]
        yield prefix + (field.alias or name)
        for model in nested:
            yield from _full_keys(model, f"{prefix}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _value(raw: Any, path: KeyPath) -> Any:
    for part in path:
        raw = raw.get(part) if isinstance(raw, dict) else raw[part]
    return raw


def long_name(key: str) -> str:
    """Returns the last part of the key that a table calls so; any other word as it is: "lr" -> "learning_rate"."""
    return next((name for name, short in SHORT_NAMES.items() if short == key), key)
