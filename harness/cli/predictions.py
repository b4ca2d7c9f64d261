"""Prints the output of `harness predict`, or writes it to a file: as a table with added columns, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from harness.cli.drawings import check_draws, draw
from harness.cli.prediction_files import check_out, write_out, written, written_rows
from harness.data.pictures.find import Picture
from harness.data.values import cell_of
from harness.errors import DataError, InputError
from harness.jobs.labelled import table_scores
from harness.jobs.predict import (
    Export,
    Row,
    is_whole,
    line_rows,
    open_export,
    predict_texts,
    prediction_columns,
    read_from,
    text_rows,
)
from harness.jobs.tables.field_rows import field_row, given_fields
from harness.jobs.tables.predicted import predict_table
from harness.jobs.tables.recommended import recommended
from harness.report.kit.text import join
from harness.stats.metric import Arrays
from harness.stats.shown import shown
from harness.terminal.console import make_console
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["lines_of_input", "predict_fields", "predict_file", "predict_here", "recommend_here"]

#: So many of the likeliest values of a prediction are shown.
_NUM_LIKELIEST = 3


def lines_of_input() -> list[str]:
    """Returns the lines of standard input, empty ones too.

    Raises:
        InputError: standard input is not UTF-8, or has no text.
    """
    try:
        lines = sys.stdin.buffer.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 ({error}); convert it: iconv -t UTF-8") from None
    if not any(line.strip() for line in lines):
        raise InputError("standard input has no text; give one a line")
    return lines


def predict_here(folder: Path, texts: Sequence[str], *, as_json: bool, draws: Path | None = None) -> None:
    """Prints one line for each text, or pair of texts, with the values of its prediction.

    A single "-" stands for the lines of standard input; an empty one keeps its place, without a prediction. Pictures
    with their boxes go to the folder `draws`.
    """
    export = open_export(folder)
    check_draws(export, draws)
    rows = line_rows(export, lines_of_input()) if list(texts) == ["-"] else _given(export, texts)
    if empty := [number for number, row in enumerate(rows, start=1) if row is None]:
        which = join([f"{number:,}" for number in empty[:5]] + ([f"{len(empty) - 5:,} more"] if len(empty) > 5 else []))
        verb = "is" if len(empty) == 1 else "are"
        _note(f"text {which} of {len(rows):,} {verb} empty: no text to predict from")
    predictions = predict_texts(export, rows, _note)
    _draw(export, draws, rows, predictions)
    names = next(tuple(row) for row in rows if row is not None)
    titles = names if len(names) > 1 or "image" in names else ("text",)
    given = [
        dict(zip(titles, map(_named, row.values()) if row is not None else [""] * len(titles), strict=True))
        for row in rows
    ]
    _print(export, given, predictions, as_json=as_json)


def predict_fields(folder: Path, words: Sequence[str], *, as_json: bool) -> None:
    """Prints a line for the row whose cells are given as words such as `year=1995`."""
    export, given = open_export(folder), given_fields(words)
    predictions = predict_texts(export, [field_row(export, given)], _note)
    _print(export, [given], predictions, as_json=as_json)


def recommend_here(folder: Path, user: str, top: int, *, as_json: bool) -> None:
    """Prints the items with the highest probability of a click, a line each, the likeliest first."""
    export = open_export(folder)
    found = recommended(export, user, top, _note)
    if not found:
        raise InputError(f"nothing to recommend: user {user!r} has had every item of the training rows")
    names = [name for name in found[0] if name not in export.value_columns]
    given = [{name: row[name] for name in names} for row in found]
    _print(export, given, found, as_json=as_json)


def _print(
    export: Export, given: Sequence[Mapping[str, str]], predictions: Sequence[Mapping[str, Any]], *, as_json: bool
) -> None:
    if as_json:
        found = [{**row, **prediction} for row, prediction in zip(given, predictions, strict=True)]
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    console = make_console()
    console.print(_table(export, given, predictions, console.width))


def _given(export: Export, texts: Sequence[str]) -> list[Row]:
    """Returns a row for each text of the command line; None for one without a character.

    Raises:
        InputError: no text has one.
    """
    given = text_rows(export, texts)
    rows: list[Row] = [row if is_whole(row) else None for row in given]
    if not any(rows):
        raise InputError(f"nothing to predict: {'the text is' if len(rows) == 1 else 'all texts are'} empty")
    return rows


def _named(value: Any) -> str:
    """Returns a text as it is, and the name of a picture."""
    return value.name if isinstance(value, Picture) else str(value)


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _table(
    export: Export, rows: Sequence[Mapping[str, str]], predictions: Sequence[Mapping[str, Any]], width: int
) -> Table:
    """Returns a line for each row: the values of its prediction, and its texts."""
    values = [_values(prediction, export.value_columns) for prediction in predictions]
    longest = max(values, key=len)  # a row without a text has no likeliest classes
    titles = [export.columns.get(name, name) for name in rows[0]] if len(rows[0]) > 1 else list(rows[0])
    num_values = len(export.value_columns)
    columns = [
        *(
            TextColumn(title=_short(name), right=isinstance(value, (int, float)), rank=max(0, at + 1 - num_values))
            for at, (name, value) in enumerate(longest)
        ),
        *(TextColumn(title=_short(name), right=False) for name in titles),
    ]
    blank = [("", "")] * len(longest)
    lines = [
        _line(row.values(), [value for _, value in [*pairs, *blank[len(pairs) :]]])
        for row, pairs in zip(rows, values, strict=True)
    ]
    return fitted(columns, lines, width)[0]


def _values(prediction: Mapping[str, Any], value_columns: Sequence[str]) -> list[tuple[str, Any]]:
    """Returns the values named in `value_columns`, then the likeliest (others) of every mapping, with their names."""
    values = [(name, prediction[name]) for name in value_columns]
    parts = [part for part in prediction.values() if isinstance(part, Mapping)]
    # The numbers of several names are shown here alone, that of a single one beside it.
    is_set = any(isinstance(value, list) for _, value in values)
    told = [] if is_set else [value for _, value in values]
    return values + [("likeliest" if is_set else "next", _likeliest(part, told)) for part in parts]


def _likeliest(part: Mapping[str, Any], told: Sequence[Any]) -> str:
    """Returns the names with the three largest values, without those that are `told`: "neutral 0.051, bad 0.037"."""
    numbers = [(name, value) for name, value in part.items() if isinstance(value, (int, float))]
    largest = sorted(numbers, key=lambda item: -item[1])[:_NUM_LIKELIEST]
    return ", ".join(f"{_short(name)} {value:.3f}" for name, value in largest if name not in told)


def _line(texts: Iterable[str], values: Sequence[Any]) -> Line:
    cells = (f"{value:.3f}" if isinstance(value, float) else plain(_listed(value)) for value in values)
    return Line((*cells, *(" ".join(plain(text).split())[:60] for text in texts)))


def _listed(value: Any) -> str:
    """Returns a value as text; of a list of mappings the values of each: "breast cancer Disease 10 23 0.981"."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return cell_of(value)
    parts = [[f"{part:.3f}" if isinstance(part, float) else cell_of(part) for part in item.values()] for item in value]
    return "; ".join(" ".join(part) for part in parts)


def _short(name: str) -> str:
    return plain(name)[:24]


def predict_file(folder: Path, table: Path, out: Path | None, *, as_json: bool, draws: Path | None = None) -> None:
    """Writes the table with the predictions added to `out`, or to standard output; scores go to standard error.

    There are scores where the table has the column that the model was trained to predict. Pictures with their boxes go
    to the folder `draws`.
    """
    export = open_export(folder)
    check_draws(export, draws)
    if out is not None:
        check_out(out, read_from(table), json_alone=as_json)
    found = predict_table(export, table, _note)
    predictions = found.predictions
    _draw(export, draws, found.rows, predictions)
    content = (
        written_rows(out, predictions)
        if as_json
        else written(out, prediction_columns(found.columns, export.value_columns, predictions))
    )
    if out is None:
        sys.stdout.write(content.decode())
    else:
        write_out(out, content)
    for line in _scores_lines(export, found.columns, found.places, found.outputs) if found.places else ():
        _note(line)


def _draw(export: Export, folder: Path | None, rows: Sequence[Row], predictions: Sequence[Mapping[str, Any]]) -> None:
    if folder is not None:
        _note(f"{draw(folder, rows, predictions, export.names):,} pictures with their boxes: {folder}")


def _scores_lines(
    export: Export, columns: Mapping[str, Sequence[Any]], places: Sequence[int], outputs: Arrays
) -> Iterator[str]:
    """Yields the scores against the table's own column of targets, after notes; nothing where it has none.

    `outputs` are of the rows at `places`, which have a text.
    """
    try:
        read = {name: [values[place] for place in places] for name, values in columns.items()}
        found = table_scores(export, read, outputs)
    except DataError as error:
        yield f"not scored: {error}"
        return
    if found is None:
        return
    yield from found.notes
    if not found.scores:
        return
    values = ", ".join(f"{metric.title} {shown(metric, value)}" for metric, value in found.scores)
    num_rows, have = len(next(iter(columns.values()))), "a value that the model knows"
    have = f"a text and {have}" if len(places) < num_rows else have
    yield f"scored against column {found.column!r} ({found.num_rows:,} of {num_rows:,} rows have {have}): {values}"
