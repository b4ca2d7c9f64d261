"""Reads the columns of a further file of a table by names that differ in case, spaces and hidden signs only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from harness.data.readers.form import Content
from harness.data.readers.header import folded
from harness.errors import MissingColumn

__all__ = ["read_same_names", "same_names"]


def same_names(wanted: Iterable[str], present: Collection[str]) -> dict[str, str]:
    """Returns the column of each wanted name that is not there, where only one differs in case, spaces or signs."""
    wanted = list(wanted)
    found = {}
    for name in wanted:
        alike = [column for column in present if folded(column) == folded(name)]
        if name not in present and len(alike) == 1 and alike[0] not in wanted:
            found[name] = alike[0]
    return found


def read_same_names(
    read: Callable[[Sequence[str] | None], Content], place: str, names: Sequence[str] | None, first: Iterable[str] = ()
) -> Content:
    """Returns the columns `names` as `read` does, also where the file writes them in another case, and a note on it.

    Args:
        read: reads columns of the file by their own names; all columns where it is given None.
        place: the name of the file, for the note.
        names: the wanted columns; None for all, of which those of `first` keep the name that they have there.
        first: the columns of the first file of the table.

    Raises:
        MissingColumn: the file has no such column, or several.
    """
    if names is None:
        content = read(None)
        return _renamed(content, same_names(first, content.columns), place)
    try:
        return read(names)
    except MissingColumn as error:
        if all(map(str.isdecimal, names)):
            raise
        found = same_names(names, error.present)
        if error.column not in found:
            raise
    return _renamed(read([found.get(name, name) for name in names]), found, place)


def _renamed(content: Content, found: dict[str, str], place: str) -> Content:
    """Returns the content with the columns called as `found` says, and a note on each."""
    names = {column: name for name, column in found.items()}
    notes = [f"{place}: '{name}' is read from '{_shown(column)}'" for name, column in found.items()]
    columns = {names.get(name, name): values for name, values in content.columns.items()}
    class_names = {names.get(name, name): values for name, values in content.names.items()}
    return replace(content, columns=columns, notes=(*content.notes, *notes), names=class_names)


def _shown(column: str) -> str:
    return column if column.isprintable() else repr(column)[1:-1]
