"""Finds the columns of a table that has other names than the study: ` Text` for text, or its only sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.data.readers.header import folded
from harness.data.values import is_missing
from harness.spec.tasks import Field, TaskFacts

__all__ = ["other_names"]

#: A column holds sentences where this share of its values are several words, and of them as many differ.
MIN_SENTENCES = 0.5
#: A name of more words, or of two where it is the only one, may be the first text of a table without a header.
MAX_NAME_WORDS = 3


def other_names(
    columns: Mapping[str, Sequence[Any]], names: Mapping[str, str], facts: TaskFacts
) -> tuple[dict[str, str], list[str]]:
    """Returns the columns of the fields whose own are not there, and a note on each; nothing where one is in doubt.

    A column is a field's where its name differs in case, spaces and hidden signs only, or is the field's own. Where the
    study names no text, its field is the only column of sentences.

    Args:
        columns: values by the names of the table's columns.
        names: the columns that the study names, by field.
        facts: the facts of the task.
    """
    found: dict[str, str] = {}
    notes = []
    for name, wanted in names.items():
        if wanted in columns:
            continue
        field = facts.field(name)
        same = [column for column in columns if folded(column) == folded(wanted)]
        if not same and wanted == field.short:  # the study names no column
            same = [column for column in columns if folded(column) == folded(name)]
        why = f"there is no '{wanted}'"
        if not same and _is_unnamed_text(field, names, facts):
            same = [column for column in columns if column not in names.values() and _holds_sentences(columns[column])]
            same = [column for column in same if len(column.split()) <= (MAX_NAME_WORDS if len(columns) > 1 else 1)]
            why += ", and no other column of sentences"
        if len(same) != 1 or same[0] in (*names.values(), *found.values()):
            return {}, []
        found[name] = same[0]
        shown = same[0] if same[0].isprintable() else repr(same[0])[1:-1]
        notes.append(f"{field.name} is read from '{shown}': {why} ({field.key})")
    return found, notes


def _is_unnamed_text(field: Field, names: Mapping[str, str], facts: TaskFacts) -> bool:
    """True for the only field of texts that is read, whose column has the name by default."""
    return [name for name in facts.texts if name in names] == [field.name] == [names[field.name]]


def _holds_sentences(values: Sequence[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str) and not is_missing(value)]
    sentences = {text for text in texts if len(text.split()) > 1}
    return bool(texts) and len(sentences) >= MIN_SENTENCES * len(values)
