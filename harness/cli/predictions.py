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

from harness.errors import InputError
from harness.jobs.predict import open_export, predict_texts, prediction_table, read_table, text_rows
from harness.records.files import write_text
from harness.terminal.console import make_console
from harness.terminal.table import Line, TextColumn, fitted
from harness.terminal.words import plain

__all__ = ["predict_file", "predict_here"]


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
            TextColumn(title=_short(name), right=not isinstance(value, str), rank=max(0, at + 1 - num_values))
            for at, (name, value) in enumerate(values[0])
        ),
        TextColumn(title="text", right=False),
    ]
    lines = [_line(text, [value for _, value in pairs]) for text, pairs in zip(texts, values, strict=True)]
    console = make_console()
    table, _ = fitted(columns, lines, console.width)
    console.print(table)


def _values(prediction: Mapping[str, Any], value_columns: Sequence[str]) -> list[tuple[str, Any]]:
    """Returns the values named in `value_columns`, then those of every mapping in the prediction, with their names."""
    parts = [part for part in prediction.values() if isinstance(part, Mapping)]
    return [(name, prediction[name]) for name in value_columns] + [pair for part in parts for pair in part.items()]


def _line(text: str, values: Sequence[Any]) -> Line:
    cells = (_short(value) if isinstance(value, str) else f"{value:.3f}" for value in values)
    return Line((*cells, " ".join(plain(text).split())[:60]))


def _short(label: str) -> str:
    return plain(label)[:24]


def predict_file(folder: Path, table: Path, out: Path | None, *, as_json: bool) -> None:
    """Writes the table with the predictions added to `out`, or to standard output."""
    export = open_export(folder)
    columns, rows, notes = read_table(export, table)
    for note in notes:
        sys.stderr.write(f"{note}\n")
    predictions = predict_texts(export, rows)
    text = _as_json(predictions) if as_json else _as_csv(prediction_table(columns, export.value_columns, predictions))
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)


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
