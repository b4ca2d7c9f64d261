"""Prints the output of `harness predict`, or writes it to a file: as a table with added columns, or as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.values import cell_of
from harness.errors import DataError, InputError
from harness.jobs.labelled import table_scores
from harness.jobs.predict import (
    Export,
    open_export,
    predict_outputs,
    predict_texts,
    prediction_table,
    predictions_of,
    read_table,
    text_rows,
)
from harness.records.files import write_text
from harness.stats.metric import Arrays
from harness.stats.shown import shown
from harness.terminal.console import make_console
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["predict_file", "predict_here", "texts_of"]

#: So many of the likeliest values of a prediction are shown.
_NUM_LIKELIEST = 3


def texts_of(arguments: Sequence[str]) -> Sequence[str]:
    """Returns the texts of the command line; for a single "-" the lines of standard input that are not empty.

    A line on standard error names the empty ones among the texts of the command line.

    Raises:
        InputError: standard input is not UTF-8, or no text has a character.
    """
    if list(arguments) != ["-"]:
        empty = [place for place, text in enumerate(arguments, start=1) if not text.strip()]
        if len(empty) == len(arguments):
            raise InputError(f"nothing to predict: {'the text is' if len(empty) == 1 else 'all texts are'} empty")
        for place in empty:
            sys.stderr.write(f"text {place} of {len(arguments)} is empty: no text to predict from\n")
        return arguments
    try:
        lines = sys.stdin.buffer.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 ({error}); convert it: iconv -t UTF-8") from None
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InputError("standard input has no text; give one a line")
    return texts


def predict_here(folder: Path, texts: Sequence[str], *, as_json: bool) -> None:
    """Prints one line for each text, with the values of its prediction."""
    predictions = predict_texts(export := open_export(folder), text_rows(export, texts))
    if as_json:
        rows = [{"text": text, **prediction} for text, prediction in zip(texts, predictions, strict=True)]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    values = [_values(prediction, export.value_columns) for prediction in predictions]
    num_values = len(export.value_columns)
    columns = [
        *(
            TextColumn(title=_short(name), right=isinstance(value, (int, float)), rank=max(0, at + 1 - num_values))
            for at, (name, value) in enumerate(values[0])
        ),
        TextColumn(title="text", right=False),
    ]
    lines = [_line(text, [value for _, value in pairs]) for text, pairs in zip(texts, values, strict=True)]
    console = make_console()
    table, _ = fitted(columns, lines, console.width)
    console.print(table)


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


def _line(text: str, values: Sequence[Any]) -> Line:
    cells = (f"{value:.3f}" if isinstance(value, (int, float)) else plain(_listed(value)) for value in values)
    return Line((*cells, " ".join(plain(text).split())[:60]))


def _listed(value: Any) -> str:
    """Returns a value as text; of a list of mappings the values of each: "breast cancer Disease 10 23 0.981"."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return cell_of(value)
    parts = [[f"{part:.3f}" if isinstance(part, float) else cell_of(part) for part in item.values()] for item in value]
    return "; ".join(" ".join(part) for part in parts)


def _short(name: str) -> str:
    return plain(name)[:24]


def predict_file(folder: Path, table: Path, out: Path | None, *, as_json: bool) -> None:
    """Writes the table with the predictions added to `out`, or to standard output; scores go to standard error.

    There are scores where the table has the column that the model was trained to predict.
    """
    export = open_export(folder)
    columns, rows, notes = read_table(export, table)
    for note in notes:
        sys.stderr.write(f"{note}\n")
    outputs = predict_outputs(export, rows) if rows else {}
    predictions = predictions_of(export, outputs, rows)
    text = _as_json(predictions) if as_json else _as_csv(prediction_table(columns, export.value_columns, predictions))
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)
    if rows and (line := _scores_line(export, columns, outputs)):
        sys.stderr.write(line + "\n")


def _scores_line(export: Export, columns: Mapping[str, Sequence[Any]], outputs: Arrays) -> str:
    """Returns the scores against the table's own column of targets; "" where it has none."""
    try:
        found = table_scores(export, columns, outputs)
    except DataError as error:
        return f"not scored: {error}"
    if found is None:
        return ""
    values = ", ".join(f"{metric.title} {shown(metric, value)}" for metric, value in found.scores)
    num_rows = f"{found.num_rows:,} of {len(columns[export.target]):,} rows"
    return f"scored against column {export.target!r} ({num_rows} have a value that the model knows): {values}"


def _as_json(predictions: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(predictions, indent=1) + "\n"


def _as_csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(out: Path, text: str) -> None:
    """Replaces the file, or the target of a link; writes into what is no file (a pipe, a device)."""
    try:
        if out.exists() and not out.is_file():
            out.write_text(text, encoding="utf-8", newline="")
        else:
            write_text(Path(os.path.realpath(out)), text)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
