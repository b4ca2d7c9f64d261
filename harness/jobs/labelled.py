"""Scores predictions for a table that has the column which the model was trained to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from harness.data.kinds import Kind, kind_of, kind_of_target
from harness.data.many import cut_cells, joined_columns
from harness.data.other_names import other_names
from harness.errors import DataError
from harness.jobs.predict import Export
from harness.jobs.tables.known_names import as_trained, unknown_note
from harness.spec.tasks import TaskFacts, facts_of
from harness.stats.metric import Arrays, Metric
from harness.stats.ragged import Ragged, by_row

__all__ = ["LabelledRows", "TableScores", "labelled_rows", "scored_outputs", "table_scores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """The rows of a table that have a target which the model knows: their places, and the targets of these rows.

    `column` is the table's column of targets, and `notes` say how it was read.
    """

    column: str
    rows: np.ndarray
    targets: Arrays
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScores:
    """The scores of predictions, by metric; `num_rows` rows of the table have a target that the model knows.

    `column` is the table's column of targets, and `notes` say how it was read. Where nothing is scored, there are no
    scores, and the notes say why.
    """

    column: str
    num_rows: int
    scores: tuple[tuple[Metric, float], ...]
    notes: tuple[str, ...] = ()


def table_scores(export: Export, columns: Mapping[str, Sequence[Any]], outputs: Arrays) -> TableScores | None:
    """Returns the scores on the rows that have a target; None where the table has no column of targets.

    Raises:
        DataError: the column holds values of another kind.
    """
    from harness.tasks import task_of

    labelled, task = labelled_rows(export, columns), task_of(export.task)
    if labelled is None:
        return None
    scores: tuple[tuple[Metric, float], ...] = ()
    if labelled.targets:
        named = task.metrics(scored_outputs(labelled, outputs, task.facts), labelled.targets)
        known = [metric for metric in task.facts.metrics if metric.name in named]
        scores = tuple((metric, named[metric.name]) for metric in known if isfinite(named[metric.name]))
    if not (scores or labelled.notes):
        return None
    num_rows = len(labelled.rows) if labelled.targets else 0
    return TableScores(column=labelled.column, num_rows=num_rows, scores=scores, notes=labelled.notes)


def scored_outputs(labelled: LabelledRows, outputs: Arrays, facts: TaskFacts) -> Arrays:
    """Returns the outputs of the labelled rows, from those of all rows of the table.

    Raises:
        DataError: the words of a row are not as many as its tags.
    """
    chosen = by_row(outputs, labelled.rows)
    if kind_of_target(facts).is_by_word and not _fit(chosen, labelled.targets):
        raise DataError(f"the words of the table are not as many as the tags in {labelled.column!r}")
    return chosen


def labelled_rows(export: Export, columns: Mapping[str, Sequence[Any]]) -> LabelledRows | None:
    """Returns the rows of a table that have a target; None where the table has no column of targets.

    There are no targets where no row has one, as the notes say, and where those of a task come with its encoding.
    The column may differ in case, spaces and hidden signs from that of training, and its names in case from the
    model's. An empty cell and a name that the model was not trained on count as no target.

    Raises:
        DataError: the column holds values of another kind.
    """
    import pandas as pd

    from harness.tasks import task_of

    task = task_of(export.task)
    target, kind = task.facts.target, kind_of_target(task.facts)
    if target is None or not export.target:
        return None
    read_from, _ = other_names(columns, export.columns, task.facts)
    read_from = {**export.columns, **read_from}
    column, notes = export.target, list[str]()
    if (found := columns.get(column) or joined_columns(columns, column)) is None:
        inputs_have = {name: given for name, given in read_from.items() if name != target.name}
        other, notes = other_names(columns, {**inputs_have, target.name: column}, task.facts)
        if set(other) != {target.name}:
            return None
        column = other[target.name]
        found = columns[column]
    read = kind.read("the table", column, cut_cells(found, export.form.label_separator))
    known = kind.known(export.names)
    of_train = {"train": read if known is None else known}
    written = kind.unify("the table" if known is None else "the model", column, of_train | {"table": read})
    inputs = {name: columns[given] for name, given in read_from.items() if given in columns}
    spelled, spelled_notes = as_trained(column, _placed(export, kind, written["table"], inputs), export.names)
    values = kind.stored(spelled, export.names)
    notes += [*spelled_notes, *unknown_note(column, spelled, values, export.names)]
    rows = np.array([row for row, value in enumerate(values) if value is not None], dtype=np.int64)
    targets = task.row_targets(pd.DataFrame(inputs | {target.name: values}).iloc[rows])
    if not len(rows):
        targets = {}
        why = "a value that the model knows" if any(value is not None for value in spelled) else "a value"
        notes.append(f"not scored: no row has {why} in column '{column}'")
    return LabelledRows(column=column, rows=rows, targets=targets, notes=tuple(notes))


def _placed(export: Export, kind: Kind, values: list[Any], inputs: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Returns targets that are parts of their rows' texts as places in them; others as they are."""
    import pandas as pd

    facts = facts_of(export.task)
    known = [row for row, value in enumerate(values) if value is not None]
    texts = {
        name: kind_of(facts.field(name)).read("the table", export.columns[name], cells)
        for name, cells in inputs.items()
        if facts.field(name).kind == "text"
    }
    frame = pd.DataFrame({name: [cells[row] for row in known] for name, cells in texts.items()}, dtype=object)
    numbers = [row + 1 for row in known]
    placed, _ = kind.placed("the table", export.target, [values[row] for row in known], numbers, frame)
    written = list(values)
    for row, value in zip(known, placed, strict=True):
        written[row] = value
    return written


def _fit(outputs: Arrays, targets: Arrays) -> bool:
    """False where ragged outputs and targets have rows of different lengths."""
    ragged = [array for array in (*outputs.values(), *targets.values()) if isinstance(array, Ragged)]
    return all(np.array_equal(array.offsets, ragged[0].offsets) for array in ragged)
