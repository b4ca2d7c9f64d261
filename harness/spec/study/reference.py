"""The reference of the study file in Markdown, docs/study.md: made of the typed study and the facts of the tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from harness.spec.foreign import FOREIGN_PATTERN
from harness.spec.mistakes import PATTERNS
from harness.spec.study.json_schema import PREFIX, study_schema
from harness.spec.study.meanings import MEANINGS
from harness.spec.tasks import TASKS, TaskFacts
from harness.stats.metric import COSTS, Metric

__all__ = ["inline", "key_examples", "study_reference"]

TITLE = """# The study file

Every key of a study file: what it means, what it may be, and what it is where the file does not give it. The page is
written by `harness schema --markdown` from the types that check a study, and a test compares the two; `harness schema`
prints the same as a JSON Schema, which editors use for completion.

Only `name`, a source of rows (`data.path`, `data.hub` or `data.builtin`) and `model.checkpoint` must be given. Where
the column "search" says *range*, a key may also be `{low: 1e-5, high: 1e-3, log: true}` or `{low: 8, high: 64, step:
8}`; where it says *list*, a list of values, `[8, 16, 32]` or `{choices: [8, 16, 32]}`, one of which each trial gets;
where it says *choices*, the form `{choices: [...]}` alone, because a plain list has another meaning there.
`{low: 0.0, high: 0.2, when: {schedule: linear}}` is searched only in trials with that schedule. On the command line any
key is given as `training.epochs=5`.
"""
#: The parts of the page, by the definition of the schema that each shows and the key it has in a study.
SECTIONS = {
    "StudySpec": "",
    "DataSpec": "data",
    "SplitSpec": "data.split",
    "HubSpec": "data.hub",
    "ModelSpec": "model",
    "TrainingSpec": "training",
    "SearchSpec": "search",
    "PrunerSpec": "search.pruner",
    "BudgetSpec": "budget",
    "ConfirmSpec": "confirm",
    "EngineSpec": "engine",
}
KEY_HEADER = ("key", "meaning", "allowed", "default", "search", "example")
BOUNDS = (("exclusiveMinimum", "above"), ("minimum", "at least"), ("exclusiveMaximum", "below"), ("maximum", "at most"))
#: Words that YAML does not take for texts.
WORDS_OF_YAML = ("true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan")
RANGE_KEYS = ("low", "high", "log")
KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


def study_reference() -> str:
    """Returns the page as Markdown."""
    schema = study_schema()
    parts = [TITLE]
    for definition, key in SECTIONS.items():
        section = _section(schema, definition)
        parts.append(f"## `{key}`\n" if key else "## The file\n")
        parts.append(section["description"] + "\n")
        parts.append(_table(KEY_HEADER, (_row(name, section) for name in section["properties"])))
        of_key = {full: names for full, names in MEANINGS.items() if full.rpartition(".")[0] == key}
        for full, names in of_key.items():
            parts.append(_table((full, "meaning"), ((f"`{name}`", meaning) for name, meaning in names.items())))
    parts.append("## The tasks\n")
    parts.append(
        "Columns are named by `data.columns: {field: column}`, or by the short form that stands beside a field. The\n"
        "first metric is the objective where `search.objectives` names none. Costs may be objectives of every task.\n"
    )
    parts += [text for facts in TASKS.values() for text in _task(facts)]
    parts.append("### Costs\n")
    parts.append(_metrics(COSTS.values()))
    return "\n".join(parts)


def key_examples() -> Iterator[tuple[str, str, Any]]:
    """Yields section, key and example of every key: what the page shows, for tests to try."""
    schema = study_schema()
    for definition, section in SECTIONS.items():
        properties = _section(schema, definition)["properties"]
        for name, field in properties.items():
            yield section, name, _example(field)


def _section(schema: dict[str, Any], definition: str) -> dict[str, Any]:
    found: dict[str, Any] = schema if definition == "StudySpec" else schema["$defs"][definition]
    return found


def _row(name: str, section: dict[str, Any]) -> tuple[str, ...]:
    field = section["properties"][name]
    default = f"`{inline(field['default'])}`" if "default" in field else "of the task"
    if name in section.get("required", ()):
        default = "must be given"
    if _is_section(field):
        default = "" if "default" in field else default
    literal, searched = _split(field)
    allowed = "keys below" if _is_section(field) else " or ".join(dict.fromkeys(_allowed(literal)))
    example = "" if _is_section(field) else f"`{name}: {inline(_example(field))}`"
    return f"`{name}`", field["description"], allowed, default, searched, example


def _is_section(field: dict[str, Any]) -> bool:
    """True for a key that holds further keys of this page."""
    references = [branch.get("$ref", "") for branch in (field, *field.get("anyOf", ()))]
    return any(reference.removeprefix(PREFIX) in SECTIONS for reference in references)


def _split(field: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Returns the schema of the literal value, and in which ways the key is searched."""
    branches = field.get("oneOf") or field.get("anyOf") or ()
    forms = {branch["$ref"].rpartition("_")[2] for branch in branches if branch.get("$ref", "").startswith(PREFIX)}
    if not forms & {"range", "choices"}:
        return field, ""
    literals = [branch for branch in branches if "$ref" not in branch]
    if "oneOf" not in field:  # the checkpoint: its plain list is compared
        return {"anyOf": literals}, "choices"
    is_list = literals[0].get("type") == "array"
    numbers = [kind for kind in _types(literals[0]) if kind in ("integer", "number")]
    return literals[0], "choices" if is_list else "range, list" if "range" in forms and numbers else "list"


def _types(schema: dict[str, Any]) -> list[str]:
    return [branch.get("type", "") for branch in schema.get("anyOf", [schema])]


def _allowed(schema: dict[str, Any]) -> Iterator[str]:
    """Yields in words what a value may be: one text for each of its forms."""
    if branches := schema.get("anyOf"):
        for branch in branches:
            yield from _allowed(branch)
    elif "enum" in schema:
        yield ", ".join(f"`{word}`" for word in schema["enum"])
    elif "const" in schema:
        yield f"`{schema['const']}`"
    elif schema.get("type") == "array":
        yield f"list of {' or '.join(dict.fromkeys(_allowed(schema['items']))) or 'values'}"
    elif schema.get("type") == "object":
        yield "names and their values"
    elif schema.get("pattern") == FOREIGN_PATTERN:
        yield "`package.module:Name`"
    elif schema.get("pattern"):
        yield PATTERNS[schema["pattern"]]
    else:
        kind = KINDS.get(schema.get("type", ""), "a value")
        limits = [f"{words} {schema[bound]}" for bound, words in BOUNDS if bound in schema]
        yield f"{kind} {', '.join(limits)}".strip()


def _example(field: dict[str, Any]) -> Any:
    if examples := field.get("examples"):
        return examples[0]
    return field.get("default")


def inline(value: Any) -> str:
    """Returns a value as a study file has it in one line."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: RANGE_KEYS.index(key) if key in RANGE_KEYS else -1)
        return "{" + ", ".join(f"{key}: {inline(value[key])}" for key in keys) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        is_plain = re.fullmatch(r"[A-Za-z][\w./#-]*", value, re.ASCII) and value.lower() not in WORDS_OF_YAML
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _task(facts: TaskFacts) -> Iterator[str]:
    yield f"### {facts.name}\n"
    yield _table(("field", "kind", "short form", "must be there"), (
        (f"`{field.name}`", field.kind.replace("_", " ") + (", the target" if field.target else ""),
         f"`data.{field.short}`" if field.short else "",
         "yes" if field.required else "no")
        for field in facts.fields
    ))  # fmt: skip
    if facts.layouts:
        yield "Its rows come in one of these forms; the first whose columns a table has is read:\n"
        yield "\n".join(f"- `{inline(dict(layout))}`" for layout in facts.layouts) + "\n"
    yield _metrics(facts.metrics)
    properties = facts.options.model_json_schema().get("properties", {})
    if properties:
        header = ("option (`task_options`)", "meaning", "allowed", "default")
        yield _table(header, ((f"`{name}`", field["description"], " or ".join(_allowed(field)),
                               f"`{inline(field['default'])}`") for name, field in properties.items()))  # fmt: skip
    if facts.recipe:
        keys = ", ".join(f"`{name}`" for name in sorted(facts.recipe))
        yield f"Its loss also knows these keys of `training`: {keys}.\n"


def _metrics(metrics: Iterable[Metric]) -> str:
    header = ("metric", "title", "better", "from", "to", "remarks")
    return _table(header, (
        (f"`{metric.name}`", metric.title + (f" ({metric.unit})" if metric.unit else ""),
         "higher" if metric.maximize else "lower", _end(metric.low), _end(metric.high), "; ".join(_remarks(metric)))
        for metric in metrics
    ))  # fmt: skip


def _remarks(metric: Metric) -> Iterator[str]:
    if metric.is_written:
        yield "of what the model writes, at the end of a training"
    if metric.by_tokens:
        yield "depends on the tokenizer"


def _end(number: float) -> str:
    return f"{number:g}" if isfinite(number) else ("no limit" if number in (inf, -inf) else "")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
