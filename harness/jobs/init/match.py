"""Finds the tasks that a table may be for, with the column of each of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.jobs.init.looks import NUMBER_BY_VALUE, WEIGHTS, are_ids, looks_like, sampled, separator_of
from harness.spec.tasks import TASKS, Field, TaskFacts

__all__ = ["Match", "matches"]

#: What columns of a field are called beside its own name and its short form, the usual ones first.
USUAL: Mapping[str, Sequence[str]] = {
    "text": (
        "sentence",
        "sentence1",
        "review",
        "content",
        "comment",
        "utterance",
        "query",
        "document",
        "body",
        "title",
    ),
    "text_pair": ("sentence2", "text2", "hypothesis"),
    "label": ("category", "class", "sentiment", "intent", "target", "topic", "rating", "stars", "coarse_label"),
    "labels": ("label", "tags", "categories", "topics", "emotions", "genres"),
    "number": ("label", "score", "similarity", "rating", "value", "target"),
    "words": ("tokens", "text"),
    "tags": ("ner_tags", "pos_tags", "labels", "label"),
    "question": ("query",),
    "context": ("passage", "paragraph"),
    "answers": ("answer",),
    "source": ("input", "text", "src", "question"),
    "target": ("output", "summary", "tgt", "sql", "query", "actions"),
    "image": ("img", "pixels"),
}
#: From so many columns of 0 and 1 on, each is a label of its own.
LEAST_FLAGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A task, the columns of its fields, and how much speaks for it. `separator` cuts the labels in a cell."""

    facts: TaskFacts
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    separator: str | None = None
    score: float


def matches(columns: Mapping[str, Sequence[Any]], task: str | None = None) -> list[Match]:
    """Returns the tasks that the columns fit, the likeliest first; of `task` alone where it is given."""
    samples = {name: sampled(values) for name, values in columns.items()}
    facts_of_tasks = [facts for name, facts in TASKS.items() if task in (None, name)]
    found = [match for facts in facts_of_tasks for match in _of_task(facts, samples, is_asked=task is not None)]
    return sorted(found, key=lambda match: -match.score)


def _of_task(facts: TaskFacts, samples: Mapping[str, list[Any]], *, is_asked: bool) -> Iterator[Match]:
    if facts.layouts:
        yield from _of_layouts(facts, samples)
        return
    columns: dict[str, str | tuple[str, ...]] = {}
    separator = None
    for wanted in sorted(facts.fields, key=lambda wanted: -WEIGHTS.get(wanted.kind, 0)):
        column = _column_of(wanted, samples, columns, is_asked=is_asked)
        if column is None and wanted.required:
            return
        if column is not None:
            columns[wanted.name] = column
            if wanted.kind == "label_set" and isinstance(column, str):
                separator = separator_of(samples[column])
    order = {wanted.name: columns[wanted.name] for wanted in facts.fields if wanted.name in columns}
    score = sum(_weight(facts.field(name), column) for name, column in order.items())
    yield Match(facts=facts, columns=order, separator=separator, score=score)


def _weight(wanted: Field, column: str | tuple[str, ...]) -> float:
    """Returns how much a field's column says of the task; numbers without a usual name may be anything's."""
    is_by_value = wanted.kind == "number" and str(column).lower().strip() not in _names_of(wanted)
    return NUMBER_BY_VALUE if is_by_value else WEIGHTS.get(wanted.kind, 0)


def _names_of(wanted: Field) -> list[str]:
    return [wanted.name, *([wanted.short] if wanted.short else []), *USUAL.get(wanted.name, ())]


def _of_layouts(facts: TaskFacts, samples: Mapping[str, list[Any]]) -> Iterator[Match]:
    for layout in facts.layouts:
        parts = {name: (column,) if isinstance(column, str) else column for name, column in layout.items()}
        present = all(column in samples for of_field in parts.values() for column in of_field)
        if present and all(looks_like(facts.field(name).kind, samples[parts[name][0]]) for name in parts):
            score = sum(WEIGHTS.get(facts.field(name).kind, 0) for name in parts)
            yield Match(facts=facts, columns=layout, score=score)
            return


def _column_of(
    wanted: Field, samples: Mapping[str, list[Any]], taken: Mapping[str, Any], *, is_asked: bool
) -> str | tuple[str, ...] | None:
    """Returns the column of a field: by its name, else by its values where one column alone has such."""
    free = {name: values for name, values in samples.items() if name not in taken.values()}
    fitting = [name for name, values in free.items() if looks_like(wanted.kind, values)]
    if is_asked and wanted.kind == "number":
        fitting += [name for name, values in free.items() if looks_like("label", values) and name not in fitting]
    named = [name for usual in _names_of(wanted) for name in fitting if name.lower().strip() == usual]
    if named:
        return named[0]
    if wanted.many:
        flags = tuple(
            name for name, values in free.items() if values and {str(value) for value in values} == {"0", "1"}
        )
        if len(flags) >= LEAST_FLAGS:
            return flags
    if not wanted.required or wanted.kind == "completion":
        return None
    if wanted.kind == "text" and fitting:
        if not wanted.short:
            return None
        return max(fitting, key=lambda name: sum(map(len, free[name])) / len(free[name]))
    if wanted.kind == "number" and not is_asked:
        fitting = [name for name in fitting if not are_ids(free[name])]
    return fitting[0] if len(fitting) == 1 else None
