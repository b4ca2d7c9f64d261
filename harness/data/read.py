"""Reads the rows of a study's data, in the given splits: from files, from the Hub, or from an installed package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.data.formats import Content, Form
from harness.data.headers import with_one_header
from harness.data.many import cut_cells, joined_columns
from harness.data.other_names import other_names
from harness.data.partitions import read_partitioned
from harness.data.pictures.columns import with_pictures
from harness.data.sources import Source, find_source
from harness.data.splits.column import split_column_note
from harness.data.splits.extra import RESAMPLE_BY, extra_columns, extra_values, unit_columns
from harness.data.splits.readers import Columns, SplitReader, names_in, of_files, split_readers
from harness.data.table import check_targets, clean_frame, read_fields, unify_targets, without_hidden_targets
from harness.data.usual_columns import columns_of_layout
from harness.errors import DataError, MissingColumn
from harness.spec.study import DataSpec
from harness.spec.tasks import TaskFacts, facts_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tables", "read_table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The given splits: a column for each field of the task, those of `extra`, and `row` (the row in its source).

    `columns` are the names in the source by field.
    """

    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame | None
    source: Source
    columns: Mapping[str, str]
    notes: tuple[str, ...]


def read_table(spec: DataSpec, task: str, source: Source | None = None) -> Tables:
    """Reads, converts and checks every split that is given.

    Raises:
        DataError: one line: the file, the row, the value, and what to do.
        MissingPackage: a Hub data set without the package that reads it.
        InputError: there is no such task, or no such built-in data set.
    """
    source, facts = source or find_source(spec), facts_of(task)
    extra = extra_columns(spec)
    form = replace(Form.of(spec), by_word=facts.reads("words"))
    readers, places = split_readers(spec, source, form)
    files = source.files.get("train")
    read_train = partial(read_partitioned, files, source.partitions, None, form) if files else None
    names, listed, layout_notes = columns_of_layout(
        spec, facts, places["train"], lambda: list(read_train().columns) if read_train else names_in(readers["train"])
    )
    held = {field.name for field in facts.fields if field.holds_target and field.name in names}
    own = {name: column for name, column in names.items() if not (held and facts.field(name).target)}
    if len(set(own.values())) < len(own):
        raise DataError(f"data: one column is named twice ({', '.join(f'{k}: {v}' for k, v in own.items())})")
    parts = {f"data.columns.{name}.{at}": column for name in listed for at, column in enumerate(listed[name])}
    single = {name: column for name, column in names.items() if name not in listed}
    single, contents, found = _found(readers, single, extra | parts, facts, read_train)
    numbered = (*single.values(), *extra.values(), *parts.values())
    if form.header is None and not form.by_word and all(map(str.isdecimal, numbered)):
        without = of_files(source, replace(form, header="none"))
        contents = with_one_header(
            contents,
            places,
            lambda split: _contents({split: without[split]}, single, extra | parts, _target(single, facts))[split],
        )
    names = {name: single.get(name, column) for name, column in names.items()}
    columns = {split: _fields_of(content.columns, names, listed, spec, facts) for split, content in contents.items()}
    columns = {split: with_pictures(values, places[split], split, names, facts, source)
               for split, values in columns.items()}  # fmt: skip
    absent = {split: content.absent for split, content in contents.items()}
    with_targets, hidden = without_hidden_targets(columns, names, facts, absent)
    fields = {split: read_fields(places[split], values, names, facts) for split, values in with_targets.items()}
    fields, notes = unify_targets(fields, places, names, facts, hidden)
    given = {split: columns[split] for split in fields}
    beside, more_notes = extra_values(given, places, extra)
    unit = names[facts.unit.name] if facts.unit and facts.unit.name in names else None
    of_unit, _ = extra_values(given, places, unit_columns(extra, unit))
    beside = {split: values | of_unit[split] for split, values in beside.items()}
    read_notes = [note for content in contents.values() for note in content.notes]
    notes = [*source.notes, *read_notes, *layout_notes, *found, *notes, *more_notes]
    if list(source.files) == ["train"]:
        present, used = contents["train"].present, {*names.values(), *extra.values(), *parts.values()}
        notes += split_column_note(
            places["train"], present, used, lambda column: readers["train"]([column]).columns[column]
        )
    cleaned = {
        split: clean_frame(places[split], values | beside[split], names, facts) for split, values in fields.items()
    }
    frames = {split: frame for split, (frame, _) in cleaned.items()}
    check_targets(places["train"], *cleaned["train"], names, facts)
    notes += [note for _, dropped in cleaned.values() for note in dropped]
    return Tables(
        train=frames["train"],
        validation=frames.get("validation"),
        test=frames.get("test"),
        source=source,
        columns=names,
        notes=tuple(notes),
    )


def _fields_of(
    columns: Columns, names: Mapping[str, str], listed: Mapping[str, Sequence[str]], spec: DataSpec, facts: TaskFacts
) -> Columns:
    """Returns the columns with those that are read as one joined, and the cells of the target cut."""
    columns = dict(columns)
    for name in listed:
        columns[names[name]] = list(joined_columns(columns, names[name]) or ())
    if facts.target is not None:
        target = names[facts.target.name]
        columns[target] = cut_cells(columns[target], spec.label_separator)
    return columns


def _found(
    readers: Mapping[str, SplitReader],
    names: dict[str, str],
    extra: Mapping[str, str],
    facts: TaskFacts,
    read_train: Callable[[], Content] | None,
) -> tuple[dict[str, str], dict[str, Content], list[str]]:
    """Returns the column of each field, the columns of each split, and notes on those that have other names."""
    try:
        return names, _contents(readers, names, extra, _target(names, facts)), []
    except MissingColumn as error:
        if read_train is None or error.column not in names.values() or any(map(str.isdecimal, names.values())):
            raise _named(error, names, facts) from None
        try:
            found, notes = other_names(read_train().columns, names, facts)
        except MissingColumn:  # shards of different columns
            raise _named(error, names, facts) from None
        if not found:
            raise _named(error, names, facts) from None
    names = names | found
    return names, _contents(readers, names, extra, _target(names, facts)), notes


def _named(error: MissingColumn, names: Mapping[str, str], facts: TaskFacts) -> MissingColumn:
    """Returns the error with the key of the study that names the column, where no short form does."""
    keys = [facts.field(name).key for name, column in names.items() if column == error.column]
    if not keys or not keys[0].startswith("data.columns."):
        return error
    return MissingColumn(error.column, error.what, f"name it with {keys[0]}=", error.present)


def _target(names: Mapping[str, str], facts: TaskFacts) -> str | None:
    return names.get(facts.target.name) if facts.target else None


def _contents(
    readers: Mapping[str, SplitReader], names: Mapping[str, str], extra: Mapping[str, str], target: str | None
) -> dict[str, Content]:
    """Returns the columns of each split; in others than train, target, order and groups may be missing.

    Raises:
        MissingColumn: another column is missing; the message names the key of the study that has it.
    """
    optional = {column for key, column in extra.items() if key != RESAMPLE_BY} | {target}
    wanted = list(dict.fromkeys([*names.values(), *extra.values()]))
    try:
        return {
            split: _columns(read, wanted, set() if split == "train" else optional) for split, read in readers.items()
        }
    except MissingColumn as error:
        keys = [key for key, column in extra.items() if column == error.column]
        if not keys or error.column in names.values():
            raise
        remedy = f"name it with {_without_number(keys[0])}="
        raise MissingColumn(error.column, error.what, remedy, error.present) from None


def _without_number(key: str) -> str:
    """Returns the key of a list in the study file, for the key of one of its items."""
    name, _, number = key.rpartition(".")
    return name if number.isdecimal() else key


def _columns(read: SplitReader, names: list[str], optional: Set[str | None]) -> Content:
    """Returns the columns `names`; one that is missing and optional holds None."""
    try:
        return read(names)
    except MissingColumn as error:
        if error.column not in optional or len(names) == 1:
            raise
        present = _columns(read, [name for name in names if name != error.column], optional)
        num_rows = len(next(iter(present.columns.values())))
        columns = {**present.columns, error.column: [None] * num_rows}
        return replace(present, columns=columns, absent={**present.absent, error.column: error.what})
