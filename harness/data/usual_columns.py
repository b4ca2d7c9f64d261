"""Which columns are read: those that the study names, else those of a usual layout that the table has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from harness.data.many import joined_name
from harness.errors import DataError
from harness.spec.study import DataSpec
from harness.spec.tasks import TaskFacts

__all__ = ["column_names", "columns_of_layout"]

#: So many columns of a table are listed in a message.
_MAX_LISTED = 20


def column_names(spec: DataSpec, facts: TaskFacts) -> dict[str, str]:
    """Returns the column in the source of each field that is read, by the field's name.

    An optional field is read where the study names its column. Several columns that are read as one have a name that
    joins theirs. Of a task with layouts of which the study names no field these are the columns of the first.
    """
    if facts.layouts and not _named(spec, facts):
        return _of_layout(facts.layouts[0], facts)
    names: dict[str, str] = {}
    for field in facts.fields:
        column = spec.columns.get(field.name) or (getattr(spec, field.short) if field.short else None)
        if isinstance(column, tuple):
            column = joined_name(column)
        if column is None and field.required:
            column = field.name
        if column is not None:
            names[field.name] = column
    holders = [field.name for field in facts.fields if field.holds_target and field.name in names]
    if holders and facts.target is not None:
        names[facts.target.name] = names[holders[0]]
    return names


def columns_of_layout(
    spec: DataSpec, facts: TaskFacts, place: str, columns: Callable[[], Collection[str]]
) -> tuple[dict[str, str], dict[str, tuple[str, ...]], list[str]]:
    """Returns the column of each field, the lists of columns that are read as one, and notes on what was found.

    Args:
        spec: the section `data` of a study.
        facts: the facts of its task.
        place: the table of train, for messages.
        columns: returns the names of the columns of that table; it is called where the study names none of a task
            with layouts.

    Raises:
        DataError: the table has the columns of no layout.
    """
    listed = {name: parts for name, parts in spec.columns.items() if isinstance(parts, tuple)}
    if not facts.layouts or _named(spec, facts):
        return column_names(spec, facts), listed, []
    present = columns()
    for layout in facts.layouts:
        parts = {name: (column,) if isinstance(column, str) else column for name, column in layout.items()}
        if all(column in present for of_field in parts.values() for column in of_field):
            names = _of_layout(layout, facts)
            read = ", ".join(f"{name} from {_and(of_field)}" for name, of_field in parts.items())
            notes = [] if all(name == column for name, column in layout.items()) else [f"{place}: read are {read}"]
            return names, {name: of_field for name, of_field in parts.items() if len(of_field) > 1}, notes
    usual = "; or ".join(_and(_columns_in(layout)) for layout in facts.layouts)
    shown = ", ".join(f"'{column}'" for column in list(present)[:_MAX_LISTED])
    example = ", ".join(f"{name}: ..." for name in facts.layouts[0])
    raise DataError(
        f"{place} has none of the columns {usual} (it has {shown}); name yours: data.columns: {{{example}}}"
    )


def _named(spec: DataSpec, facts: TaskFacts) -> list[str]:
    return [field.name for field in facts.fields if field.name in spec.columns]


def _columns_in(layout: Mapping[str, str | tuple[str, ...]]) -> list[str]:
    return [part for column in layout.values() for part in ((column,) if isinstance(column, str) else column)]


def _and(columns: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(columns[:-1]), columns[-1]]))


def _of_layout(layout: Mapping[str, str | tuple[str, ...]], facts: TaskFacts) -> dict[str, str]:
    names = {name: column if isinstance(column, str) else joined_name(column) for name, column in layout.items()}
    if facts.target is not None:
        names.setdefault(facts.target.name, next(iter(names.values())))
    return names
