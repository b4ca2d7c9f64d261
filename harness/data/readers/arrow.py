"""Reads Parquet, and Arrow's own files (Feather, and the streams that Hugging Face's data sets are kept in)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form, require_columns
from harness.data.readers.id_names import id_names, named
from harness.data.readers.nested import value_at
from harness.data.readers.signature import check_signature
from harness.errors import DataError

__all__ = ["read_arrow", "read_parquet"]


def read_parquet(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns the columns `names` of a file, or all columns; see `Reader`."""
    from pyarrow import parquet

    check_signature(file, "Parquet", (b"PAR1",))

    def batches(stream: Any) -> tuple[Any, Callable[[list[str]], Iterable[Any]]]:
        # ParquetFile, not read_table: the latter would take column=value folders above the file for columns.
        table = parquet.ParquetFile(stream)
        return table.schema_arrow, lambda columns: table.iter_batches(columns=columns)

    return _content(file, names, batches)


def read_arrow(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns the columns `names` of a file, or all columns; see `Reader`."""
    from pyarrow import ipc

    check_signature(file, "Arrow", (b"ARROW1", b"\xff\xff\xff\xff"))

    notes: list[str] = []

    def batches(stream: Any) -> tuple[Any, Callable[[list[str]], Iterable[Any]]]:
        is_file = stream.read(6) == b"ARROW1"
        stream.seek(0)
        if is_file:
            table = ipc.open_file(stream)
            return table.schema, lambda _: (table.get_batch(at) for at in range(table.num_record_batches))
        table = ipc.open_stream(stream)
        return table.schema, lambda _: _batches_of_stream(table, stream, file.name, notes)

    content = _content(file, names, batches)
    return replace(content, notes=(*content.notes, *notes))


def _batches_of_stream(table: Any, stream: BinaryIO, name: str, notes: list[str]) -> Iterator[Any]:
    """Yields the batches of a stream, and adds a note where it lacks the mark of its end."""
    num_rows = 0
    while True:
        start = stream.tell()
        try:
            batch = table.read_next_batch()
        except StopIteration:
            # The last bytes may be those of the mark by chance; that nothing follows the last batch tells more.
            if stream.tell() == start:
                notes.append(f"{name}: has no mark of its end behind the last of {num_rows} rows; it may be cut off")
            return
        num_rows += batch.num_rows
        yield batch


def _content(
    file: TableFile,
    names: Sequence[str] | None,
    batches: Callable[[Any], tuple[Any, Callable[[list[str]], Iterable[Any]]]],
) -> Content:
    import pyarrow as pa

    try:
        with file.seekable() as stream:
            schema, read = batches(stream)
            is_found = names is None  # a column of which there are two is none that is looked for
            names = list(dict.fromkeys(schema.names)) if names is None else names
            paths = {name: path for name in names if (path := _path(schema, name))}
            within = [path for name in dict.fromkeys(schema.names) if schema.names.count(name) == 1
                      for path in _paths(name, schema.field(name).type)]  # fmt: skip
            require_columns(file.place, [name for name in names if name not in paths], [*schema.names, *within])
            names_by_id = id_names(schema.metadata)
            columns: dict[str, list[Any]] = {name: [] for name in names}
            wanted = list(dict.fromkeys(paths.get(name, (name,))[0] for name in names))
            if is_found:
                columns = {name: [] for name in columns if schema.names.count(name) == 1}
            elif twice := next((name for name in wanted if schema.names.count(name) > 1), None):
                raise DataError(f"{file.place}: column '{twice}' occurs twice in the table; rename one of them")
            for batch in read([name for name in wanted if schema.names.count(name) == 1]):
                for name, values in columns.items():
                    column, *parts = paths.get(name, (name,))
                    more = _values(f"{file.place}: '{name}'", batch.column(column), names_by_id.get(name))
                    values += [_within(value, parts) for value in more] if parts else more
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise DataError(f"{file.place}: cannot be read as {file.suffix} ({reason})") from error
    names_by_id = {name: names_by_id[name] for name in columns if name in names_by_id}
    return Content(columns, names=names_by_id, present=tuple(schema.names))


def _path(schema: Any, name: str) -> tuple[str, ...]:
    """Returns the parts of a name such as `review.text`, which is within a column; () for any other name."""
    import pyarrow as pa

    first, *parts = name.split(".")
    if name in schema.names or schema.names.count(first) != 1:
        return ()
    kind = schema.field(first).type
    for part in parts:
        if _is_list(kind):
            kind = kind.value_type
            if part.isdecimal():
                continue
        if not pa.types.is_struct(kind) or kind.get_field_index(part) < 0:
            return ()
        kind = kind.field(part).type
    return (first, *parts)


def _paths(name: str, kind: Any) -> list[str]:
    """Returns the names of the values within a column: `review.text`."""
    import pyarrow as pa

    kind = kind.value_type if _is_list(kind) else kind
    if not pa.types.is_struct(kind):
        return []
    fields = [(f"{name}.{field.name}", field.type) for field in kind]
    return [path for inner, of_inner in fields for path in (inner, *_paths(inner, of_inner))]


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _within(value: Any, parts: Sequence[str]) -> Any:
    value = value_at(value, parts)
    return None if value != value else value


def _values(place: str, column: Any, names: Sequence[str] | None) -> list[Any]:
    """Returns plain values, None for null and NaN, names for ids; `place` begins the message where an id has none."""
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    if names:
        return [named(place, value, names) for value in values]
    return [None if value != value else value for value in values] if pa.types.is_floating(column.type) else values
