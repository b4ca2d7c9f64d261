"""Names of targets in a table beside those that a model was trained on: in another case, or not known to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = ["as_trained", "unknown_note"]

#: So many names are listed in a note.
_MAX_LISTED = 5


def as_trained(column: str, values: Sequence[Any], names: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Returns targets with the model's names for those that differ from one of them in case alone, and a note.

    Args:
        column: the column of the targets, for the note.
        values: a name, a list of names, or None for each row; values of another kind stay as they are.
        names: the names that the model was trained on; none where its targets have no names.
    """
    folds = Counter(name.casefold() for name in names)
    of_fold = {name.casefold(): name for name in names if folds[name.casefold()] == 1}
    spelled = {
        name: of_fold[name.casefold()]
        for name in set(_names_in(values))
        if name not in names and name.casefold() in of_fold
    }
    if not spelled:
        return list(values), []
    said = _listed(f"'{name[:40]}' as '{spelled[name][:40]}'" for name in sorted(spelled))
    return [_spelled(value, spelled) for value in values], [f"'{column}': read by the names of training: {said}"]


def unknown_note(column: str, values: Sequence[Any], stored: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Returns a note on the rows with a name that the model does not know; empty where there are none.

    Args:
        column: the column of the targets.
        values: the targets as `as_trained` returns them.
        stored: the same targets as ids; None for those that the model does not know.
        names: the names that the model was trained on.
    """
    rows = [value for value, known in zip(values, stored, strict=True) if value is not None and known is None]
    if not (rows and names):
        return []
    counts = Counter(name for name in _names_in(rows) if name not in names)
    unknown = _listed(f"'{name[:40]}' ({count:,})" for name, count in counts.most_common())
    have = "row has" if len(rows) == 1 else "rows have"
    known = _listed(f"'{name[:40]}'" for name in names)
    return [f"'{column}': {len(rows):,} {have} a value that the model does not know: {unknown}; it knows {known}"]


def _names_in(values: Iterable[Any]) -> Iterator[str]:
    """Yields the names in targets, which are names or lists of names."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple, set, frozenset)):
            yield from (part for part in value if isinstance(part, str))


def _spelled(value: Any, spelled: dict[str, str]) -> Any:
    if isinstance(value, str):
        return spelled.get(value, value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(spelled.get(part, part) if isinstance(part, str) else part for part in value)
    return value


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = [f"{len(listed) - _MAX_LISTED:,} more"] if len(listed) > _MAX_LISTED else []
    return ", ".join([*listed[:_MAX_LISTED], *more])
