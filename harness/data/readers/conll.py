"""Reads CoNLL files: a word a line with its columns, and a blank line between sentences.

Columns are separated by tabs, or by white space where a line has no tab. They have no names: words are in the first
column and tags in the last (of CoNLL-U in the second and the fourth), or where the study says by number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from harness.data.readers.encodings import find_encoding
from harness.data.readers.file import TableFile
from harness.data.readers.form import Content, Form, require_columns
from harness.data.readers.plain import MARK
from harness.data.readers.signature import check_signature
from harness.errors import DataError

__all__ = ["WORD_FORMATS", "has_sentences", "read_conll"]

#: What the names of such files end in; `.txt` and `.tsv` may be such files too (`has_sentences`).
WORD_FORMATS = (".conll", ".conllu", ".bio")
#: What stands for the column of words and that of tags, where the study says no number.
WORDS, TAGS = ("text", "words"), ("label", "tags")
_PROBED_LINES = 2000
_DOCUMENT = "-DOCSTART-"


def has_sentences(file: TableFile, encoding: str | None) -> bool:
    """True for a text file in which a blank line stands between other lines, within the first lines."""
    codec, _ = find_encoding(file, encoding)
    blank = False
    with file.text(codec, newline="") as lines:
        for line, _ in zip(lines, range(_PROBED_LINES), strict=False):
            if line.strip() and blank:
                return True
            blank = not line.strip()
    return False


def read_conll(file: TableFile, names: Sequence[str] | None, form: Form) -> Content:
    """Returns lists of cells, one for each sentence, of the columns `names`; of words and tags where it is None."""
    check_signature(file, "CoNLL")
    encoding, notes = find_encoding(file, form.encoding)
    is_conllu = file.suffix == ".conllu"
    with file.text(encoding, newline="") as stream:
        width = next((len(cells) for sentence in _sentences(stream, is_conllu) for _, cells in sentence), 0)
    if not width:
        raise DataError(f"{file.place}: the file has no words; give a word a line, and a blank line between sentences")
    places = {name: _place(name, width, is_conllu) for name in (names or ((WORDS[1], TAGS[1])[: min(width, 2)]))}
    present = [str(number) for number in range(1, width + 1)]
    numbers = ", ".join(f"{name} by its number with data.columns.{name}=" for name in (WORDS[1], TAGS[1]))
    require_columns(file.place, [name for name, at in places.items() if at is None], present, f"name {numbers}")
    columns: dict[str, list[list[str]]] = {name: [] for name in places}
    with file.text(encoding, newline="") as stream:
        for sentence in _sentences(stream, is_conllu):
            for name, at in places.items():
                columns[name].append([_cell(file.place, line, cells, at, width) for line, cells in sentence])
    return Content(dict(columns), notes)


def _place(name: str, width: int, is_conllu: bool) -> int | None:
    """Returns the index of a column; None where there is none."""
    if name.isdecimal():
        return int(name) - 1 if 1 <= int(name) <= width else None
    if name in WORDS:
        return 1 if is_conllu and width > 1 else 0
    if name in TAGS and width > 1:
        return 3 if is_conllu and width > 3 else width - 1
    return None


def _cell(place: str, line: int, cells: Sequence[str], at: int | None, width: int) -> str:
    if at is None or len(cells) != width:
        raise DataError(f"{place}: line {line}: {len(cells)} columns where the first word has {width}")
    return cells[at]


def _sentences(stream: TextIO, is_conllu: bool) -> Iterator[list[tuple[int, list[str]]]]:
    """Yields the lines of each sentence: their numbers and cells."""
    sentence: list[tuple[int, list[str]]] = []
    for number, line in enumerate((line.lstrip(MARK) for line in stream), start=1):
        if not line.strip():
            if sentence:
                yield sentence
            sentence = []
            continue
        if line.startswith("#") and (is_conllu or (line.startswith("# ") and " = " in line)):
            continue
        cells = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
        is_part = is_conllu and not cells[0].isdecimal()  # 3-4 of a contraction, 5.1 of an empty node
        if cells[0] != _DOCUMENT and not is_part:
            sentence.append((number, [cell.strip() for cell in cells]))
    if sentence:
        yield sentence
