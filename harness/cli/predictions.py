"""`harness predict` on a console or into a table.

Knows nothing of models.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import InputError
from harness.jobs.predict import Prediction, label_table, open_export, predict_texts, read_table, text_rows
from harness.records.files import write_text
from harness.terminal.console import make_console
from harness.terminal.table import Column, Line, fitted
from harness.terminal.words import plain

__all__ = ["predict_file", "predict_here"]


def predict_here(folder: Path, texts: Sequence[str], *, as_json: bool) -> None:
    """Prints a line a text: label, its probability, and all probabilities."""
    found = predict_texts(export := open_export(folder), text_rows(export, texts))
    if as_json:
        shown = [{"text": text, **each.to_json()} for text, each in zip(texts, found, strict=True)]
        sys.stdout.write(json.dumps(shown, indent=1) + "\n")
        return
    columns = [
        Column(title="label", right=False),
        Column(title="probability"),
        *(Column(title=_short(label), rank=1 + at) for at, label in enumerate(export.labels)),
        Column(title="text", right=False),
    ]
    console = make_console()
    table, _ = fitted(columns, [_line(text, each) for text, each in zip(texts, found, strict=True)], console.width)
    console.print(table)


def _line(text: str, found: Prediction) -> Line:
    scores = (f"{score:.3f}" for score in found.probabilities)
    return Line((_short(found.label), f"{found.probability:.3f}", *scores, " ".join(plain(text).split())[:60]))


def _short(label: str) -> str:
    return plain(label)[:24]


def predict_file(folder: Path, table: Path, out: Path | None, *, as_json: bool) -> None:
    """Writes the table with label and probability added to `out`, or to standard output."""
    export = open_export(folder)
    columns, rows = read_table(export, table)
    found = predict_texts(export, rows)
    text = _as_json(found) if as_json else _as_csv(label_table(columns, found))
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)


def _as_json(found: Sequence[Prediction]) -> str:
    return json.dumps([each.to_json() for each in found], indent=1) + "\n"


def _as_csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(out: Path, text: str) -> None:
    """Replaces the file, that behind a link too; what is no file (a pipe, a device) is written to."""
    try:
        if out.exists() and not out.is_file():
            out.write_text(text, encoding="utf-8", newline="")
        else:
            write_text(Path(os.path.realpath(out)), text)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
