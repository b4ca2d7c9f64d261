"""Reads rows of JSON: one object a line, a list of objects, or one object with all rows.

A missing key, null and NaN are None.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from math import isfinite
from typing import Any, TextIO

from harness.data.readers.encodings import find_encoding
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form, require_columns
from harness.data.readers.json_files.document import is_document, rows_of_document
from harness.data.readers.nested import paths_of, value_at
from harness.data.readers.signature import check_signature
from harness.errors import DataError

__all__ = ["read_json"]

_CHUNK_CHARS = 2**20
#: Numbers of so many characters are the same after a way through float.
_EXACT_CHARS = 16
_SPACE = " \t\r\n"
#: Where Label Studio keeps the choice of a class.
_CHOICES = "annotations.result.value.choices"
_MARK = "\ufeff"


def read_json(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns the columns `names` of a file, or all columns; see `Reader`."""
    check_signature(file, "JSON")
    encoding, notes = find_encoding(file, form.encoding)
    with file.text(encoding, newline="") as stream:
        start = next((char for line in stream if (char := line.lstrip(_SPACE + _MARK)[:1])), "")
    if not start:
        raise DataError(f"{file.place}: the file is empty; give one object a line, or a list of objects")
    with file.text(encoding, newline="") as stream:
        rows = _items(file.place, stream) if start == "[" else _lines(file.place, stream)
        said: list[str] = []
        if start == "{" and file.suffix == ".json":
            rows = _lines_or_document(file, encoding, rows, names, said)
        columns, present = _columns(file.place, rows, names, said)
        return Content(columns, (*notes, *said), present=present)


def _columns(
    place: str, rows: Iterator[tuple[str, Any]], names: Sequence[str] | None, notes: list[str]
) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """Returns the columns of the rows and the names in the first, and adds a note on rows that were not accepted."""
    num_refused = 0
    columns: dict[str, list[Any]] = {name: [] for name in names or ()}
    parts = {name: name.split(".") for name in columns}
    missing, present = list(columns), dict[str, None]()
    for count, (where, row) in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f"{place}: {where}: {type(row).__name__} instead of an object {{column: value}}")
        if names is None:
            columns |= {name: [None] * count for name in row if name not in columns}
            parts |= {name: [name] for name in row}
        elif missing:
            missing = [name for name in missing if name not in row and value_at(row, parts[name]) is None]
            present |= dict.fromkeys(paths_of(row))
        for name, values in columns.items():
            values.append(row[name] if name in row else value_at(row, parts[name]))
        if "_input_hash" in row and row.get("answer") in ("reject", "ignore"):
            num_refused += 1
    require_columns(place, missing, list(present), _hint(present))
    if num_refused and "answer" not in (names or ()):
        notes.append(
            f"{place.rpartition('/')[2]}: {num_refused} rows have the answer reject or ignore, as Prodigy writes it, "
            "which decides nothing: leave them out if their labels are wrong"
        )
    return columns, tuple(columns if names is None else present)


def _hint(present: Collection[str]) -> str:
    """Returns what to name where the rows are an export of Label Studio; "" for others."""
    texts = [name for name in present if name.startswith("data.")]
    if not texts or _CHOICES not in present:
        return ""
    return f"name what an export of Label Studio holds: data.text={texts[0]} data.label={_CHOICES}"


def _lines_or_document(
    file: TableFile, encoding: str, lines: Iterator[tuple[str, Any]], names: Sequence[str] | None, notes: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yields the values of the lines, or the rows of the one object that the file is, on which `notes` get a note."""
    try:
        first = next(lines)
    except DataError:
        with file.text(encoding) as stream:
            try:
                document = _DECODER.decode(stream.read())
            except (ValueError, RecursionError):
                document = None
        if not isinstance(document, dict):
            raise
        yield from rows_of_document(file.place, document, names, notes)
        return
    second = next(lines, None)
    if second is None and is_document(first[1], names):
        yield from rows_of_document(file.place, first[1], names, notes)
        return
    yield first
    if second is not None:
        yield second
    yield from lines


def _lines(place: str, stream: TextIO) -> Iterator[tuple[str, Any]]:
    """Yields the value of each line that is not blank, and its place."""
    for number, line in enumerate(stream, start=1):
        line = line.lstrip(_MARK)  # it begins a line where files were joined
        if not line.strip():
            continue
        try:
            yield f"line {number}", _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            allowed = "one object a line, or a list of objects"
            remedy = _remedy(line)
            raise DataError(
                f"{place}: line {number}: not JSON ({_reason(error)}); allowed: {allowed}{remedy}"
            ) from error


def _remedy(line: str) -> str:
    """Says what to do with a line of objects over several lines, or with a comma behind each."""
    if line.strip() == "{":
        return "; jq -c . FILE > NEW.jsonl writes objects of several lines so"
    return "; leave out the commas between lines, or put [ and ] around all" if line.rstrip().endswith("},") else ""


def _items(place: str, stream: TextIO) -> Iterator[tuple[str, Any]]:
    """Yields the items of a list and their places, without holding more than some of its text."""
    text, number = _next_text("", stream).lstrip(_SPACE + _MARK)[1:], 0
    while not (text := _next_text(text, stream)).startswith("]"):
        if number and not text.startswith(","):
            raise DataError(f"{place}: no ',' or ']' behind item {number} of the list; was the file cut off?")
        number += 1
        item, text = _first_item(place, number, text[number > 1 :], stream)
        yield f"item {number}", item
    if _next_text(text[1:], stream):
        raise DataError(f"{place}: text behind the list's end; allowed: one object a line, or one list of objects")


def _next_text(text: str, stream: TextIO) -> str:
    """Returns the text from its first sign on, or what follows in the stream; empty at the end."""
    while not (text := text.lstrip(_SPACE)) and (text := stream.read(_CHUNK_CHARS)):
        pass
    return text


def _first_item(place: str, number: int, text: str, stream: TextIO) -> tuple[Any, str]:
    """Returns the first item of a text and the text behind it; more is read while the item is not complete."""
    chars = _CHUNK_CHARS
    while True:
        text = text.lstrip(_SPACE)
        try:
            item, end = _DECODER.raw_decode(text)
        except RecursionError as error:
            raise DataError(f"{place}: item {number} of the list: not JSON ({error})") from error
        except ValueError as error:
            if not (more := stream.read(chars)):
                raise DataError(f"{place}: item {number} of the list: not JSON ({_reason(error)})") from error
        else:
            if end < len(text) or not (more := stream.read(chars)):
                return item, text[end:]
        text, chars = text + more, chars * 2


def _reason(error: Exception) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    is_python = error.doc[error.pos : error.pos + 1] == "'"
    remedy = "; in single quotes it is Python's: json.dumps(ast.literal_eval(line)) writes JSON" if is_python else ""
    return f"{error.msg} at character {error.pos + 1}{remedy}"


def _number(text: str) -> float | str:
    """Returns a number as float, or its text where a float is not exactly this number."""
    value = float(text)
    return value if len(text) < _EXACT_CHARS and isfinite(value) else text


def _constant(text: str) -> float | None:
    return None if text == "NaN" else float(text)


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_constant)
