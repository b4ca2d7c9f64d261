"""Reads lines as fastText does: labels with the prefix `__label__` stand before or behind a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from harness.data.readers.encodings import find_encoding
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form, require_columns
from harness.data.readers.plain import MARK
from harness.data.readers.signature import check_signature

__all__ = ["has_prefixed_labels", "read_fasttext"]

PREFIX = "__label__"
#: The columns of such a file; those of labels have the same values.
TEXT, LABELS = "text", ("label", "labels")
_PROBED_LINES = 200
#: Labels before a text and behind it. Signs that cut cells are in no label: they make the file a table.
_LABEL = rf"{PREFIX}[^\s,;|]+"
_BEFORE, _BEHIND = re.compile(rf"(?:{_LABEL}(?:\s+|$))+"), re.compile(rf"(?:(?:^|\s+){_LABEL})+$")


def has_prefixed_labels(file: TableFile, names: Sequence[str] | None, form: Form) -> bool:
    """True for a text file in which each of the first lines begins or ends with a label that has the prefix.

    A study that says how the file is cut, or names columns by number, has a table.
    """
    if form.delimiter or form.quoting or form.header or (names and all(map(str.isdecimal, names))):
        return False
    with file.open() as stream:
        if PREFIX.encode() not in stream.readline() + stream.readline():
            return False
    encoding, _ = find_encoding(file, form.encoding)
    with file.text(encoding) as stream:
        first = [line.strip() for line, _ in zip(stream, range(_PROBED_LINES), strict=False) if line.strip()]
    return bool(first) and all(_BEFORE.match(line) or _BEHIND.search(line) for line in first)


def read_fasttext(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns the texts and labels of a file, the latter lists where a line has several; see `Reader`."""
    check_signature(file, "text")
    encoding, notes = find_encoding(file, form.encoding)
    names = (TEXT, LABELS[0]) if names is None else names
    hint = f"lines with {PREFIX} have the columns {TEXT} and {LABELS[0]}: leave out data.text= and data.label="
    require_columns(file.place, names, (TEXT, *LABELS), hint)
    with file.text(encoding) as stream:
        texts, labels = _cells(stream)
    columns: dict[str, list[Any]] = {name: texts if name == TEXT else list(labels) for name in names}
    note = f"{file.name}: its lines have labels with {PREFIX}, as for fastText; the columns are {TEXT} and {LABELS[0]}"
    return Content(columns, (*notes, note))


def _cells(lines: Iterable[str]) -> tuple[list[str], list[Any]]:
    """Returns the text and the labels of each line that is not blank; a label alone where no line has several."""
    texts: list[str] = []
    labels: list[list[str]] = []
    for line in lines:
        if not (text := line.lstrip(MARK).strip()):
            continue
        before = match[0] if (match := _BEFORE.match(text)) else ""
        behind = match[0] if (match := _BEHIND.search(text, len(before))) else ""
        texts.append(text[len(before) : len(text) - len(behind)])
        labels.append([label.removeprefix(PREFIX) for label in f"{before} {behind}".split()])
    if any(len(of_line) > 1 for of_line in labels):
        return texts, [of_line or None for of_line in labels]
    return texts, [of_line[0] if of_line else None for of_line in labels]
