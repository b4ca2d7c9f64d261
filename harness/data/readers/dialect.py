"""Finds the delimiter of a table and whether its quotes enclose cells, from many of its lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.data.readers.cut import QUOTED_WORDS, Cut, cut_plain, cut_quoted, header_candidates
from harness.data.readers.escapes import ESCAPED_QUOTE, doubled
from harness.data.readers.form import Form
from harness.data.readers.swallowed import find_swallowed
from harness.errors import DataError, look_up

__all__ = ["Dialect", "find_dialect"]

#: Whether double quotes enclose cells, by the names of data.quoting.
QUOTINGS = {"double": True, "none": False}
DELIMITERS = (",", "\t", ";", "|")
#: Signs that are in no text, and separate cells where they occur: Hive's ^A, and ASCII's separators.
_CONTROL = re.compile("[\x01-\x06\x1c-\x1f]")
#: A delimiter is the table's where no more than this share of the lines is not of the usual width.
MAX_MISFITS = 0.1
#: Quotes enclose cells where this share of the lines has cells in quotes, whether they need it or not.
MIN_QUOTED = 0.9


@dataclass(frozen=True, slots=True)
class Dialect:
    """How lines are cut into cells: `quoted` says that quotes enclose cells, `width` is the usual number of cells.

    `escaped` says that a backslash stands before the quotes in a cell; such lines are cut once `doubled` has read them.
    `is_told` is False where quotes are plain text by the file's ending alone, so that a later line may tell otherwise.
    """

    delimiter: str
    quoted: bool
    width: int
    notes: tuple[str, ...] = ()
    is_told: bool = True
    escaped: bool = False


def find_dialect(place: str, lines: Sequence[str], names: Sequence[str], form: Form, usual: Dialect) -> Dialect:
    """Returns the dialect that fits the lines; what the form gives is taken as it is.

    Args:
        place: the file, for messages.
        lines: the lines to look at, with their ends.
        names: the columns that it is expected to have.
        form: what the study gives.
        usual: the dialect of the file's ending, which decides where several fit.

    Raises:
        DataError: the quotes can be read in two ways that give different rows.
    """
    if form.quoting == "backslash":
        return _escaped(place, lines, names, replace(form, quoting="double"), usual)
    if form.quoting == "none" or not any(ESCAPED_QUOTE in line for line in lines):
        return _found(place, lines, names, form, usual)
    if not _backslash_escapes(place, lines, *_best_cuts(lines, names, form, usual), usual.quoted):
        return _found(place, lines, names, form, usual)
    if form.quoting:
        raise _doubt(place, lines, "is not what data.quoting=double stands for")
    dialect = _escaped(place, lines, names, form, usual)
    return replace(dialect, notes=(*dialect.notes, _BACKSLASH))


def _escaped(place: str, lines: Sequence[str], names: Sequence[str], form: Form, usual: Dialect) -> Dialect:
    """Returns the dialect of lines whose quotes a backslash escapes."""
    dialect = _found(place, [doubled(line) for line in lines], names, form, usual)
    notes = tuple(note for note in dialect.notes if note not in (_QUOTED, _PLAIN))
    return replace(dialect, escaped=True, is_told=True, notes=notes)


def _best_cuts(lines: Sequence[str], names: Sequence[str], form: Form, usual: Dialect) -> tuple[Cut, Cut]:
    """Returns the lines cut by the delimiter that fits them, without and with quoting."""
    delimiters = sorted(DELIMITERS, key=lambda mark: mark != usual.delimiter)
    first = _first(lines)
    delimiters = [*dict.fromkeys(_CONTROL.findall(first)), *delimiters] + [" "] * bool(QUOTED_WORDS.match(first))
    plain_cuts = [cut_plain(lines, mark) for mark in ([form.delimiter] if form.delimiter else delimiters)]
    has_quotes = any('"' in line for line in lines)
    cuts = [(plain, cut_quoted(lines, plain.delimiter) if has_quotes else plain) for plain in plain_cuts]
    return max(cuts, key=lambda both: _fit(lines, names, *both))  # of equals the first


def _first(lines: Sequence[str]) -> str:
    return next((line for line in lines if line.strip()), "")


def _found(place: str, lines: Sequence[str], names: Sequence[str], form: Form, usual: Dialect) -> Dialect:
    plain, quoted = _best_cuts(lines, names, form, usual)
    is_quoted, notes = usual.quoted, []
    if form.quoting:
        is_quoted = look_up(QUOTINGS, form.quoting, "data.quoting")
    elif any('"' in line for line in lines):
        is_of_r = plain.delimiter == " " and QUOTED_WORDS.match(_first(lines)) is not None
        is_quoted = is_of_r or _quotes_enclose(place, lines, plain, quoted, usual.quoted)
        if is_quoted != usual.quoted or (quoted.spanning and not is_quoted):
            notes.append(_QUOTED if is_quoted else _PLAIN)
    cut = quoted if is_quoted else plain
    if cut.delimiter not in (usual.delimiter, form.delimiter) and cut.width > 1:
        notes.insert(0, f"cells are separated by {cut.delimiter!r} (data.delimiter)")
    is_told = bool(form.quoting) or is_quoted or not all(cell.endswith('"') for cell in _opened(lines, cut.delimiter))
    return Dialect(cut.delimiter, is_quoted, cut.width, tuple(notes), is_told)


_BACKSLASH = "a backslash before a double quote makes it text, other backslashes stay (data.quoting: backslash)"
_QUOTED = "double quotes enclose cells (data.quoting: double)"
_PLAIN = "double quotes are plain text (data.quoting: none)"


def _fit(lines: Sequence[str], names: Sequence[str], plain: Cut, quoted: Cut) -> tuple[int, bool, int]:
    """Says how well a delimiter fits: by the wanted columns, by equal widths, and by the lines that do not fit."""
    best = min(plain, quoted, key=lambda cut: cut.misfits)
    rows = header_candidates(lines, plain.delimiter)
    has_columns = max((1 + (len(cells) == best.width) for cells in rows if set(names) <= set(cells)), default=0)
    return has_columns, best.width > 1 and best.misfits <= max(1, MAX_MISFITS * len(lines)), -best.misfits


def _quotes_enclose(place: str, lines: Sequence[str], plain: Cut, quoted: Cut, usually: bool) -> bool:
    """Says whether quotes enclose cells; `usually` decides where both ways give the same rows."""
    if quoted.misfits > plain.misfits:
        # A table in quotes with a broken line is read as such: the reader then names the line.
        return _share_in_quotes(lines, plain.delimiter) >= MIN_QUOTED
    inside = {number for record in quoted.spanning for number in range(record.first, record.last + 1)}
    others = [line for number, line in enumerate(lines, start=1) if number not in inside]
    records = [(record, lines[record.first - 1 : record.last]) for record in quoted.spanning]
    swallowed, by_values = find_swallowed(records, others[1:], quoted.width, quoted.delimiter)
    if len(swallowed) > MAX_MISFITS * len(records):
        if not by_values and _share_in_quotes(others[1:] or others, plain.delimiter) >= MIN_QUOTED:
            return True
        if not usually and len(swallowed) == len(records) and plain.misfits <= quoted.misfits:
            return False
        first, last = swallowed[0].first, swallowed[0].last
        raise DataError(
            f"{place}: line {first}: a double quote opens here and closes on line {last}, and the lines between look "
            "like rows of their own; set data.quoting=none if quotes are plain text, data.quoting=double if they "
            "enclose cells"
        )
    if quoted.misfits < plain.misfits or quoted.width != plain.width:
        return True
    if any('""' in cell[1:-1] or not cell.endswith('"') for cell in _opened(lines, plain.delimiter)):
        return True
    return usually or _share_in_quotes(lines, plain.delimiter) >= MIN_QUOTED


def _backslash_escapes(place: str, lines: Sequence[str], plain: Cut, quoted: Cut, usually: bool) -> bool:
    """Says whether the quotes are those of cells once a backslash before a quote makes it text.

    Raises:
        DataError: they are so with and without, and the rows differ.
    """
    if not any(ESCAPED_QUOTE in line for line in lines):
        return False
    cut = cut_quoted([doubled(line) for line in lines], plain.delimiter)
    if cut.broken or cut.misfits > min(plain.misfits, quoted.misfits):
        return False
    if not quoted.broken and quoted.misfits <= cut.misfits:
        if quoted.rows != cut.rows and usually:
            raise _doubt(place, lines, "may be text, or the end of a cell")
        return False
    return usually or cut.misfits < plain.misfits or all(map(_is_closed, _opened(lines, plain.delimiter)))


def _is_closed(cell: str) -> bool:
    """True for a cell that ends with a quote which is not text."""
    marks = doubled(cell.rstrip())
    return (len(marks) - len(marks.rstrip('"'))) % 2 == 1


def _doubt(place: str, lines: Sequence[str], what: str) -> DataError:
    first = next(number for number, line in enumerate(lines, start=1) if ESCAPED_QUOTE in line)
    return DataError(
        f"{place}: line {first}: a backslash stands before a quote, which {what}; set data.quoting=backslash if the "
        "quote is text, data.quoting=double if the backslash is, data.quoting=none if all quotes are"
    )


def _opened(lines: Sequence[str], delimiter: str) -> list[str]:
    """Returns the cells that begin with a quote, cut at each delimiter."""
    cut = (line.rstrip("\r\n").split(delimiter) for line in lines if '"' in line)
    return [cell for cells in cut for cell in cells if cell.startswith('"')]


def _share_in_quotes(lines: Sequence[str], delimiter: str) -> float:
    """Returns the share of lines with cells that begin and end with a quote, as many as begin with one."""
    in_quotes = 0
    for line in lines:
        marked = f"{delimiter}{line.rstrip()}{delimiter}"
        opening, closing = marked.count(f'{delimiter}"'), marked.count(f'"{delimiter}')
        in_quotes += 0 < opening == closing
    return in_quotes / max(1, len(lines))
