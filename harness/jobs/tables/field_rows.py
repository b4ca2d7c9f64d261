"""A row of a table whose cells are given one by one, by the names of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.data.kinds import kind_of
from harness.data.many import joined_parts
from harness.errors import InputError, nearest
from harness.jobs.predict import Export
from harness.spec.tasks import facts_of

__all__ = ["field_row", "given_fields"]


def given_fields(words: Sequence[str]) -> dict[str, str]:
    """Returns the values by name of words such as `year=1995`.

    Raises:
        InputError: a word has no `=`, or a name comes twice.
    """
    given: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (name and sign) or name in given:
            what = "names a column twice" if name in given else "is no NAME=VALUE"
            raise InputError(f"--field {word[:60]!r} {what}; write --field year=1995, once for each column")
        given[name] = value
    return given


def field_row(export: Export, given: Mapping[str, str]) -> dict[str, Any]:
    """Returns the row that a model reads, by field; a column that is not given is one whose cell is missing.

    Raises:
        InputError: the model reads no column of a name.
        DataError: a value is not of its column's kind.
    """
    facts = facts_of(export.task)
    columns = {
        name: joined_parts(column) if facts.field(name).many else [column] for name, column in export.columns.items()
    }
    known = [part for parts in columns.values() for part in parts]
    if unknown := [name for name in given if name not in known]:
        listed = ", ".join(known)
        raise InputError(
            f"--field {unknown[0]!r} is no column that the model reads; it reads {listed}{nearest(unknown[0], known)}"
        )
    row: dict[str, Any] = {}
    for name, parts in columns.items():
        kind, cells = kind_of(facts.field(name)), {part: given.get(part, "") for part in parts}
        cell = cells if facts.field(name).many else cells[parts[0]]
        row[name] = kind.read("--field", parts[0], [cell])[0] if kind.is_event else given.get(parts[0], "")
    return row
