"""Tables in folders that a column and its value name, `label=pos/part-0.parquet`, as Hive and Spark write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness.data.formats import Content, Form, is_table, read_files, require_columns
from harness.errors import MissingColumn

__all__ = ["Partitions", "is_partition", "partition_values", "read_partitioned", "tables_in_partitions"]

#: The columns that the folders above a file give it, by their names.
Partitions = Mapping[Path, Mapping[str, str | None]]
_NAME = re.compile(r"(?P<column>[^=]+)=(?P<value>.*)", re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"


def is_partition(path: Path) -> bool:
    """True for a folder that is named by a column and its value."""
    return path.is_dir() and _NAME.fullmatch(path.name) is not None


def tables_in_partitions(folder: Path) -> list[Path]:
    """Returns the tables in folders of values below a folder, and in such folders within them, by their paths."""
    tables = []
    for path in sorted(filter(is_partition, folder.iterdir())):
        beside = (entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))
        tables += sorted(filter(is_table, beside))
        tables += tables_in_partitions(path)
    return tables


def partition_values(folder: Path, path: Path) -> dict[str, str | None]:
    """Returns the columns that the folders between `folder` and a file of it give to all of the file's rows."""
    matches = filter(None, map(_NAME.fullmatch, path.relative_to(folder).parts[:-1]))
    return {unquote(match["column"]): _value(match["value"]) for match in matches}


def read_partitioned(
    paths: Sequence[Path],
    partitions: Partitions,
    names: Sequence[str] | None,
    form: Form | None = None,
    first: Iterable[str] | None = None,
) -> Content:
    """Returns the columns of a table in one file or several, as `read_files` does, and those of their folders.

    Args:
        paths: the files, in their order.
        partitions: the columns that folders give, by file; a folder's value stands before one within the file.
        names: the wanted columns; None for all.
        form: how the files' text is cut, where the study says it.
        first: the columns of an earlier file of the data, as `read_files` takes them.

    Raises:
        DataError: a file cannot be read, is broken (with its line), or lacks a column.
    """
    given = list(dict.fromkeys(column for path in paths for column in partitions.get(path, ())))
    if not given:
        return read_files(paths, names, form, first)
    columns: dict[str, list[Any]] = {}
    notes: list[str] = []
    for path in paths:
        content = _with_values(path, partitions[path], given, names, form, first)
        first = content.columns if first is None else first
        require_columns(str(path), columns, list(content.columns))
        for name, values in content.columns.items():
            columns.setdefault(name, []).extend(values)
        notes += content.notes
    return Content({name: columns[name] for name in names or columns}, tuple(notes), present=content.present)


def _with_values(
    path: Path,
    values: Mapping[str, str | None],
    given: Sequence[str],
    names: Sequence[str] | None,
    form: Form | None,
    first: Iterable[str] | None,
) -> Content:
    """Returns the columns of a file, with the value of its folders for each row in the columns `given`."""
    within = [name for name in names or () if name not in given] or None
    try:
        content = read_files([path], within, form, first)
    except MissingColumn as error:
        listed = ", ".join(f"'{column}'" for column in given)
        what = f"{error.what}, and its folders give {listed}"
        remedy = "name it with data.text=, data.text_pair= or data.label="
        raise MissingColumn(error.column, what, remedy, (*error.present, *given)) from None
    num_rows = len(next(iter(content.columns.values()), ()))
    return Content(
        content.columns | {column: [values.get(column)] * num_rows for column in given},
        content.notes,
        content.header,
        present=(*content.present, *given),
    )


def _value(text: str) -> str | None:
    """Returns the value in a folder's name, in which `%20` stands for a space."""
    return None if text == _NULL else unquote(text)
