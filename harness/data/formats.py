"""The formats of tables, by the ending of a file's name, and how a file of any of them is read."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.boxes.voc import read_voc
from harness.data.readers.arrow import read_arrow, read_parquet
from harness.data.readers.conll import WORD_FORMATS, has_sentences, read_conll
from harness.data.readers.delimited import DelimitedReader
from harness.data.readers.excel import read_excel
from harness.data.readers.fasttext import has_prefixed_labels, read_fasttext
from harness.data.readers.file import PACKED, open_table, table_name
from harness.data.readers.form import Content, Form, Reader, require_columns
from harness.data.readers.id_names import named_alike
from harness.data.readers.json_files.rows import read_json
from harness.data.readers.packing import check_packing
from harness.data.readers.same_names import read_same_names
from harness.errors import DataError
from harness.runtime import without_collector

__all__ = [
    "ENDINGS",
    "FORMATS",
    "Content",
    "Form",
    "is_table",
    "read_columns",
    "read_files",
    "rename_hint",
    "require_columns",
]

#: The reader of a table by the ending of its name. Each may be packed: `.csv.gz`, or the only file of a `.zip`.
FORMATS: Mapping[str, Reader] = {
    ".csv": DelimitedReader("CSV", delimiter=",", quoted=True),
    ".tsv": DelimitedReader("TSV", delimiter="\t", quoted=False),
    ".txt": DelimitedReader("text", delimiter="\t", quoted=False),
    ".tab": DelimitedReader("TSV", delimiter="\t", quoted=False),
    ".json": read_json,
    ".jsonl": read_json,
    ".ndjson": read_json,
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".feather": read_arrow,
    ".arrow": read_arrow,
    ".xlsx": read_excel,
    ".xml": read_voc,
    **dict.fromkeys(WORD_FORMATS, read_conll),
}


#: What the name of a table may end in.
ENDINGS = (*FORMATS, *PACKED)


#: The endings that texts with columns have too, and the one that says what they are.
_RENAMED = {
    **dict.fromkeys(("", ".dat", ".data", ".psv", ".text", ".asc"), ".csv"),
    **dict.fromkeys((".jl", ".jsonlines", ".ldjson"), ".jsonl"),
}
_SHEETS = frozenset([".xls", ".xlsb", ".ods", ".numbers", ".gsheet"])
_ARCHIVES = frozenset([".tar", ".tgz", ".tbz", ".txz", ".rar", ".7z", ".zst", ".lz4", ".lz", ".lzma", ".z", ".br"])


def rename_hint(path: Path) -> str:
    """Says what to do with a file of no known ending: how to name a table, or what to write another format as."""
    name = table_name(path)
    suffix = Path(name).suffix.lower()
    if suffix in _RENAMED:
        return f"; name a table by what it is: mv {path.name} {name}{_RENAMED[suffix]}{path.name[len(name) :]}"
    if suffix == ".xlsm":
        return f"; a workbook with macros is read under the other name: mv {path.name} {path.with_suffix('.xlsx').name}"
    if suffix == ".sql":
        return "; load the dump into a database, and write its table to .csv"
    if suffix in ENDINGS:
        return "; it is packed twice: unpack it once, and give the table in it"
    if suffix in _SHEETS:
        return "; save the sheet as .xlsx or .csv"
    if suffix in _ARCHIVES:
        return "; unpack it and give the table in it"
    return f"; '{suffix}' is no format that is read: convert the table to .csv, .jsonl or .parquet, which pandas writes"


def is_table(path: Path) -> bool:
    """True for a file whose name says that it is a table, which may be packed."""
    name = table_name(path)
    return Path(name).suffix.lower() in (*FORMATS, ".zip") and path.is_file()


def read_columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Returns the `names` columns of a file, each a list with a value for each row; see `read_files`."""
    return read_files([path], names).columns


def read_files(
    paths: Sequence[Path], names: Sequence[str] | None, form: Form | None = None, first: Iterable[str] | None = None
) -> Content:
    """Returns the columns of a table, which is one file or shards of one, and notes on how they were read.

    A CSV's values are its exact text; null and NaN are None.

    Args:
        paths: the files, in their order.
        names: the wanted columns; None for all.
        form: how the files' text is cut, where the study says it.
        first: the columns of an earlier file of the data, whose names may differ from these files' in case and spaces;
            None where these are the first. So may those of each further file in `paths`.

    Raises:
        DataError: a file cannot be read, is broken (with its line), or lacks a column.
        InputError: no format has this file name extension.
    """
    form = form or Form()
    with without_collector():  # a fifth of the time of a large table
        return _read_all(paths, names, form, first)


def _read_all(paths: Sequence[Path], names: Sequence[str] | None, form: Form, first: Iterable[str] | None) -> Content:
    contents: list[Content] = []
    for path in paths:
        if first is None:
            contents.append(_read(path, names, form))
            first = contents[0].columns
        else:
            read = partial(_read_by_name, path, form)
            contents.append(read_same_names(read, path.name, names, first))
    if names and form.header is None and all(name.isdecimal() for name in names):
        contents = _with_one_header(paths, names, form, contents)
    contents = named_alike(list(map(str, paths)), contents) if len(paths) > 1 else contents
    columns = contents[0].columns
    for path, content in zip(paths[1:], contents[1:], strict=True):
        require_columns(str(path), columns, list(content.columns))
        for name, values in columns.items():
            values += content.columns[name]
    first_content, notes = contents[0], [note for content in contents for note in content.notes]
    return Content(columns, tuple(notes), first_content.header, present=first_content.present)


def _with_one_header(paths: Sequence[Path], names: Sequence[str], form: Form, contents: list[Content]) -> list[Content]:
    """Reads shards without a header again where their first lines differ, as a header's do not.

    Raises:
        DataError: the first shard may have a header, and the others have none.
    """
    headers = [content.header for content in contents]
    if len(set(headers)) == 1:
        return contents
    contents = [_read(path, names, replace(form, header="none")) for path in paths]
    firsts = {name: contents[0].columns[name][0] for name in names}
    is_row = any(sum(content.columns[name].count(first) for content in contents) > 1 for name, first in firsts.items())
    if headers[0] and not is_row:
        raise DataError(
            f"{paths[0]}: its first line may be a header, which the other files do not have; set data.header=none if "
            "it is a row, and leave it out of the file if it is not"
        )
    note = f"{paths[0].name} and {len(paths) - 1} more: no header, their first lines are rows (data.header)"
    return [replace(contents[0], notes=(note, *contents[0].notes)), *contents[1:]]


def _read_by_name(path: Path, form: Form, names: Sequence[str] | None) -> Content:
    return _read(path, names, form)


def _read(path: Path, names: Sequence[str] | None, form: Form) -> Content:
    if path.is_dir():
        raise DataError(f"{path}: is a folder; give one table")
    try:
        check_packing(path)
        file = open_table(path)
        if file.suffix not in FORMATS:
            hint = rename_hint(path if path.suffix.lower() != ".zip" else Path(file.name))
            raise DataError(f"{file.place}: is not a table that can be read{hint}; allowed: {', '.join(ENDINGS)}")
        reader = FORMATS[file.suffix]
        if form.by_word and file.suffix in (".txt", ".tsv", ".tab") and has_sentences(file, form.encoding):
            reader = read_conll
        elif isinstance(reader, DelimitedReader) and has_prefixed_labels(file, names, form):
            reader = read_fasttext
        return reader(file, names, form)
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: is damaged or cut off ({error}); copy or download it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
