"""`harness predict` on a console or into a table."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.errors import InputError
from harness.jobs.predict import open_export, predict_texts, prediction_table, read_table, text_rows
from harness.terminal.console import make_console
from harness.terminal.table import Column, Line, fitted
from harness.terminal.words import plain

__all__ = ["predict_file", "predict_here"]


def predict_here(folder: Path, texts: Sequence[str], *, as_json: bool) -> None:
    """Prints a line a text: what the task says of it, value by value."""
    predictions = predict_texts(export := open_export(folder), text_rows(export, texts))
    if as_json:
        shown = [{"text": text, **each} for text, each in zip(texts, predictions, strict=True)]
        sys.stdout.write(json.dumps(shown, indent=1) + "\n")
        return
    values = [_values(each, export.shown) for each in predictions]
    columns = [
        *(
            Column(title=_short(name), right=not isinstance(value, str), rank=max(0, at + 1 - len(export.shown)))
            for at, (name, value) in enumerate(values[0])
        ),
        Column(title="text", right=False),
    ]
    lines = [_line(text, [value for _, value in each]) for text, each in zip(texts, values, strict=True)]
    console = make_console()
    table, _ = fitted(columns, lines, console.width)
    console.print(table)


def _values(prediction: Mapping[str, Any], shown: Sequence[str]) -> list[tuple[str, Any]]:
    """The values `shown` by name, then those of every mapping in the prediction."""
    parts = [part for part in prediction.values() if isinstance(part, Mapping)]
    return [(name, prediction[name]) for name in shown] + [pair for part in parts for pair in part.items()]


def _line(text: str, values: Sequence[Any]) -> Line:
    cells = (_short(value) if isinstance(value, str) else f"{value:.3f}" for value in values)
    return Line((*cells, " ".join(plain(text).split())[:60]))


def _short(label: str) -> str:
    return plain(label)[:24]


def predict_file(folder: Path, table: Path, out: Path | None, *, as_json: bool) -> None:
    """Writes the table with the predictions added to `out`, or to standard output."""
    export = open_export(folder)
    columns, rows = read_table(export, table)
    predictions = predict_texts(export, rows)
    with _output(out) as file:
        if as_json:
            json.dump(predictions, file, indent=1)
            file.write("\n")
        else:
            csv.writer(file, lineterminator="\n").writerows(prediction_table(columns, export.shown, predictions))


@contextmanager
def _output(out: Path | None) -> Iterator[IO[str]]:
    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    with file:
        yield file
