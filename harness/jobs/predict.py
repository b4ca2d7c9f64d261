"""Predictions of an exported model for texts or pictures, or for a table of them.

Only safetensors and JSON files are read from the exported folder, so that no code in it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from harness.data.checkpoints.folder import refuse_own_code
from harness.data.folders import FolderFiles
from harness.data.formats import Content, Form
from harness.data.kinds import kind_of
from harness.data.many import joined_columns, joined_parts
from harness.data.other_names import other_names
from harness.data.partitions import read_partitioned
from harness.data.readers.encodings import is_utf8
from harness.data.readers.file import open_table
from harness.data.values import as_text, is_missing
from harness.errors import DataError, InputError, MissingColumn, nearest
from harness.jobs.tables.given import files_of_table
from harness.jobs.tables.pictures import column_of_pictures, given_pictures, written_alike
from harness.records.decisions import BEST
from harness.records.exported import EXPORT_FILES, read_export
from harness.records.files import sha256_of
from harness.records.manifest import first_error
from harness.report.kit.text import plural
from harness.runtime import program
from harness.spec.study import DataSpec
from harness.spec.tasks import facts_of
from harness.stats.metric import Arrays
from harness.stats.shown import percent
from harness.tasks.progress import Shares, listening

__all__ = [
    "Export",
    "Row",
    "is_whole",
    "line_rows",
    "open_export",
    "predict_outputs",
    "predict_texts",
    "prediction_columns",
    "predictions_of",
    "read_from",
    "read_table",
    "text_rows",
]

#: While a model writes answers, it is told every so many seconds how much is written.
WRITTEN_EVERY_S = 10.0
#: The texts of a row, or its picture, by the names of their fields; None of a row that lacks one.
Row = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An exported model: its folder, and the input that its manifest describes.

    `names` are what the ids in its targets stand for. `columns` are the columns of a table by the task's names for
    them, and `target` is the column that the model was trained to predict ("": none). `value_columns` are the values of
    a prediction that are added to a table. `form` is what the study says of how its tables are cut. `data_sha256` is
    the hash of the file that the rows came from ("": not known; of a folder that of all its files).
    """

    folder: Path
    task: str
    names: tuple[str, ...]
    preprocess: tuple[Any, ...]
    max_length: int
    columns: Mapping[str, str]
    target: str
    value_columns: tuple[str, ...]
    form: Form = field(default_factory=Form)
    data_sha256: str = ""


def open_export(folder: Path) -> Export:
    """Reads the manifest of an exported folder; loads no weights.

    Raises:
        InputError: `folder` is not an export, or one of another version.
    """
    from harness.tasks import task_of

    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; a sweep exports its winner to runs/STUDY/best")
    missing = [name for name in EXPORT_FILES if not (folder / name).is_file()]
    if missing:
        best = folder / BEST
        is_run = (best / "manifest.json").is_file()
        remedy = f"did you mean {best}?" if is_run else f"make one: {program()} export RUN --to DIR"
        raise InputError(f"{folder} is not an exported model (no {', '.join(missing)}); {remedy}")
    refuse_own_code(str(folder), folder)
    manifest = read_export(folder)
    task = task_of(manifest.task)
    return Export(
        folder=folder,
        task=task.facts.name,
        names=manifest.labels,
        preprocess=manifest.preprocess,
        max_length=manifest.max_length,
        columns={name: manifest.columns[name] for name in task.inputs if name in manifest.columns},
        form=replace(_form(folder, manifest.form), by_word=task.facts.reads("words")),
        target=manifest.columns.get(task.facts.target.name, "") if task.facts.target else "",
        value_columns=task.value_columns,
        data_sha256=manifest.data.sha256,
    )


def _form(folder: Path, keys: Mapping[str, Any]) -> Form:
    try:
        return Form.of(DataSpec.model_validate({"path": folder.name, **keys}))
    except ValidationError as error:
        raise InputError(f"{folder}: manifest.json: form: {first_error(error)}") from None


def predict_outputs(
    export: Export, rows: Sequence[Mapping[str, Any]], note: Callable[[str], object] = lambda line: None
) -> Arrays:
    """The outputs of the model for rows, at least one, of its texts by the names of their fields.

    `note` gets a line where texts were cut, one where the tokenizer does not know most of a text, and while answers are
    written, which takes long, how many are.

    Raises:
        InputError: the model does not take texts, or its files cannot be loaded.
    """
    names = _inputs(export)
    import torch

    from harness.tasks import task_of
    from harness.tasks.models import load_saved
    from harness.training.evaluate import answered

    task = task_of(export.task)
    try:
        model = load_saved(export.folder, task.auto)
    except Exception as error:  # broken JSON, torn safetensors and unknown architectures raise all kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{export.folder}: the model cannot be loaded ({reason[:200]})") from error
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    encoded = task.predict_inputs(rows, export.folder, export.max_length, export.preprocess)
    for line in _reading_notes(encoded.stats, len(rows), _what(export, names)):
        note(line)

    def told(share: float) -> None:
        if share < 1:
            note(f"writing answers, {percent(share, 0)}")

    with listening(Shares(told, WRITTEN_EVERY_S)):
        return answered(model.to(device), task, encoded, np.arange(len(rows)), device, export.folder)


def _what(export: Export, names: Sequence[str]) -> str:
    if facts_of(export.task).is_tabular:
        return "row"
    return "pair" if len(names) > 1 else "text"


def _reading_notes(stats: Mapping[str, Any], num_rows: int, what: str) -> Iterator[str]:
    """Yields what a user should know of how rows, each `what`, were read; nothing of a task that does not count it."""
    yield from stats.get("notes", ())
    if "notes" in stats:
        return
    cut, unknown = round(stats.get("truncated_fraction", 0.0) * num_rows), stats.get("num_mostly_unknown", 0)
    of_all = f"of {plural(num_rows, what)}"
    if cut:
        longer = "is longer than the model reads and was" if cut == 1 else "are longer than the model reads and were"
        yield f"{cut:,} {of_all} {longer} cut after {stats['length_limit']:,} tokens"
    if unknown:
        consist = "consists" if unknown == 1 else "consist"
        yield (
            f"{unknown:,} {of_all} {consist} mostly of what the model's tokenizer does not know (another script, "
            "emoji?): a prediction from that says little"
        )


def predict_texts(
    export: Export, rows: Sequence[Row], note: Callable[[str], object] = lambda line: None
) -> list[dict[str, Any]]:
    """The predictions for rows of texts by the names of their fields, a JSON dictionary per row.

    A row without a text (None) has the values of a prediction as None. For `note` see `predict_outputs`.

    Raises:
        InputError: the model does not take texts, or its files cannot be loaded.
    """
    _inputs(export)
    read = [row for row in rows if row is not None]
    return predictions_of(export, predict_outputs(export, read, note) if read else {}, rows)


def predictions_of(export: Export, outputs: Arrays, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The predictions that a model's outputs are, a JSON dictionary per row.

    `outputs` are of the rows that are not None; the others have the values of a prediction as None.
    """
    from harness.tasks import task_of

    task, places = task_of(export.task), count()
    return [
        dict.fromkeys(export.value_columns)
        if row is None
        else task.located(task.predict(outputs, next(places), export.names), row)
        for row in rows
    ]


def _inputs(export: Export) -> tuple[str, ...]:
    """Returns the names of the fields of texts that the model reads, or of its pictures; of a table all columns.

    Raises:
        InputError: the model takes neither.
    """
    facts = facts_of(export.task)
    if facts.is_tabular:
        names = tuple(export.columns)
    else:
        pictures = (name for name in export.columns if _is_of_pictures(export, name))
        names = facts.texts_in(export.columns) or tuple(pictures)
    if not names:
        raise InputError(
            f"{export.folder} is a model for {export.task}, and harness predict takes texts and pictures; "
            "load the folder with transformers.pipeline instead"
        )
    return names


def _is_of_pictures(export: Export, name: str) -> bool:
    return facts_of(export.task).field(name).kind == "image"


def is_whole(row: Mapping[str, Any]) -> bool:
    """False for a row of which a text has no character."""
    return all(value.strip() for value in row.values() if isinstance(value, str))


def text_rows(export: Export, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Rows from texts; for a model of pairs from two texts each, in turn; of pictures from files and folders.

    Raises:
        InputError: the model takes pairs of texts, and the last text has no second one, or it takes no texts alone; or
            there is no such picture.
    """
    names = _inputs(export)
    _refuse_columns(export)
    if _is_of_pictures(export, names[0]):
        return [{names[0]: picture} for picture in given_pictures(texts)]
    if len(texts) % len(names):
        raise InputError(
            f"{export.folder} wants pairs of texts: give two for each, {_listed(export, names, ' then ')}, or a table "
            "with these columns: --csv FILE"
        )
    return [dict(zip(names, texts[at : at + len(names)], strict=True)) for at in range(0, len(texts), len(names))]


def line_rows(export: Export, lines: Sequence[str]) -> list[Row]:
    """A row from each line; for a model of pairs a line holds two texts with a tab between, of pictures a path.

    A row without a text is None.

    Raises:
        InputError: the model takes pairs of texts, and a line does not hold two.
    """
    names = _inputs(export)
    _refuse_columns(export)
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if _is_of_pictures(export, names[0]):
            rows += text_rows(export, [line.strip()]) if line.strip() else [None]
            continue
        texts = line.split("\t") if len(names) > 1 else [line]
        if line.strip() and len(texts) != len(names):
            raise InputError(
                f"standard input: line {number}: {plural(len(texts), 'text')} where {export.folder} wants pairs; give "
                f"{_listed(export, names, ', a tab and ')}"
            )
        rows.append(dict(zip(names, texts, strict=True)) if all(text.strip() for text in texts) else None)
    return rows


def _refuse_columns(export: Export) -> None:
    if facts_of(export.task).is_tabular:
        names = ", ".join(f"'{name}'" for column in export.columns.values() for name in joined_parts(column))
        raise InputError(
            f"{export.folder} reads the columns {names}: give --field NAME=VALUE for each that is known, or a "
            "table with --csv FILE"
        )


def _listed(export: Export, names: Sequence[str], between: str) -> str:
    """Returns the columns of fields: "'question' then 'answer'"."""
    return between.join(f"'{export.columns[name]}'" for name in names)


def read_from(path: Path) -> list[Path]:
    """The files that `read_table` reads of a table.

    Raises:
        DataError: it is an address, or a folder that is not one table.
    """
    return [file for files in files_of_table(path).files.values() for file in files]


def read_table(
    export: Export, path: Path, option: str = "--csv"
) -> tuple[dict[str, list[Any]], list[Row], tuple[str, ...]]:
    """All columns of a table, the rows of those that the model takes as text, and notes on how it was read.

    Words and messages may be lists. A row that lacks a text is None: there is nothing to predict from. For `option`
    see `files_of_table`.

    Raises:
        InputError: the file cannot be read, or lacks a column that the model was trained on.
    """
    _inputs(export)
    table = files_of_table(path, option)
    content, form = _content(export, table)
    found, found_notes = other_names(content.columns, export.columns, facts_of(export.task))
    texts: dict[str, list[Any]] = {}
    notes = [*table.notes, *content.notes, *(f"{path.name}: {note}" for note in found_notes)]
    if form.header == "none":
        notes.append(f"{path.name}: read without a header, as the table of training (data.header=none): row 1 is a row")
    for name, column in {**export.columns, **found}.items():
        field, joined = facts_of(export.task).field(name), joined_columns(content.columns, column)
        if column in content.columns:
            values = content.columns[column]
        elif joined is not None:
            values = joined
        else:
            values = _numbered(path, table, column, form, content)
        if kind_of(field).is_event:
            texts[name] = kind_of(field).read(path.name, column, values)
            continue
        if values is joined:
            values = kind_of(field).read(path.name, column, values)
        missing = sum(map(is_missing, values))
        if missing and not facts_of(export.task).is_tabular:
            have = f"{missing:,} of {plural(len(values), 'row')} {'has' if missing == 1 else 'have'}"
            notes.append(f"{path.name}: {have} an empty '{column}': no text to predict from")
        if field.kind == "image":
            texts[name] = column_of_pictures(path, field, column, values)
            content.columns[column] = written_alike(values, texts[name])
            continue
        has_lists = field.kind in ("words", "messages")
        texts[name] = [
            value
            if has_lists and isinstance(value, list)
            else ("" if is_missing(value) else as_text(f"{path}: row {row}: '{column}'", value))
            for row, value in enumerate(values, start=1)
        ]
    if export.data_sha256 and path.is_file() and sha256_of(path) == export.data_sha256:
        notes.append(f"{path.name}: this is the file that the model was trained on: its training rows are among these")
    is_tabular = facts_of(export.task).is_tabular
    rows: list[Row] = [
        dict(zip(texts, row, strict=True)) if is_tabular or not any(map(_is_empty, row)) else None
        for row in zip(*texts.values(), strict=True)
    ]
    return content.columns, rows, tuple(notes)


def _is_empty(value: Any) -> bool:
    """True for a text without a character, for no words, and for no picture."""
    return not (value.strip() if isinstance(value, str) else value)


def _read(table: FolderFiles, names: Sequence[str] | None, form: Form) -> Content:
    return read_partitioned(table.files["train"], table.partitions, names, form)


def _content(export: Export, table: FolderFiles) -> tuple[Content, Form]:
    """Returns a table and its form: that of the training table, or what is found out where that does not fit."""
    found_out = Form(expected=tuple(export.columns.values()), by_word=export.form.by_word)
    form = replace(export.form, expected=found_out.expected)
    if form.encoding is not None and all(is_utf8(open_table(path)) for path in table.files["train"]):
        form = replace(form, encoding=None)
    if form != found_out:
        with suppress(DataError):
            content = _read(table, None, form)
            if not set(export.columns.values()) <= content.columns.keys():
                _read(table, list(export.columns.values()), form)  # by number, or the form does not fit
            return content, form
    return _read(table, None, found_out), found_out


def _numbered(path: Path, table: FolderFiles, column: str, form: Form, content: Content) -> list[Any]:
    """Returns the column that a study named by its number.

    Raises:
        DataError: there is none.
    """
    try:
        return _read(table, [column], form).columns[column]
    except MissingColumn:
        listed = ", ".join(f"'{name}'" for name in list(content.columns)[:20])
        raise DataError(
            f"{path}: no column '{column}', which the model was trained on (columns: {listed})"
            f"; rename the column of texts{nearest(column, content.columns)}, or write its name above them"
        ) from None


def prediction_columns(
    columns: Mapping[str, Sequence[Any]], value_columns: Sequence[str], predictions: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """The table's columns with the values `value_columns` of each prediction added, numbers to six digits.

    Columns of the table do not change: where it has a column `label`, the added one is `predicted_label`, and where it
    has that too, `predicted_label_2`.
    """
    table = {name: list(values) for name, values in columns.items()}
    for name in value_columns:
        numbered = (f"predicted_{name}_{number}" for number in count(2))
        added = next(free for free in chain((name, f"predicted_{name}"), numbered) if free not in table)
        table[added] = [_rounded(prediction[name]) for prediction in predictions]
    return table


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
