"""The study file's JSON Schema: what `harness schema` prints, and docs/study.md is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harness.spec.study import StudySpec

__all__ = ["study_schema"]

PREFIX = "#/$defs/"


def study_schema() -> dict[str, Any]:
    """Returns the study file's JSON Schema, for editors."""
    schema = _with_plain_names(_without_titles(StudySpec.model_json_schema()))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "harness study", **schema}


def _without_titles(node: Any) -> Any:
    """Drops the generated titles, which editors show although they only repeat the key."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
        return {key: _without_titles(value) for key, value in kept.items()}
    return [_without_titles(item) for item in node] if isinstance(node, list) else node


def _with_plain_names(schema: dict[str, Any]) -> dict[str, Any]:
    """Names the ranges and choices after the first key that may have them: `learning_rate_range`."""
    names: dict[str, str] = {}
    for section in (schema, *schema["$defs"].values()):
        for key, value in section.get("properties", {}).items():
            for name in _references(value):
                form = name.partition("_")[0].lower()
                if form in ("range", "choices"):
                    names.setdefault(name, f"{key}_{form}")
    text = json.dumps(schema)
    for name, plain in names.items():
        text = text.replace(f'"{PREFIX}{name}"', f'"{PREFIX}{plain}"').replace(f'"{name}": {{', f'"{plain}": {{')
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix(PREFIX)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
