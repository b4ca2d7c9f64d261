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
from harness.spec.tasks import facts_of
from harness.stats.metric import Arrays, Metric
from harness.stats.ragged import Ragged, by_row

__all__ = ["TableScores", "table_scores"]


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
        why = "a value that the model knows" if any(value is not None for value in spelled) else "a value"
        notes.append(f"not scored: no row has {why} in column '{column}'")
    if not (len(rows) and targets):
        return TableScores(column=column, num_rows=0, scores=(), notes=tuple(notes)) if notes else None
    chosen = by_row(outputs, rows)
    if kind.is_by_word and not _fit(chosen, targets):
        raise DataError(f"the words of the table are not as many as the tags in {column!r}")
    named = task.metrics(chosen, targets)
    known = [metric for metric in task.facts.metrics if metric.name in named]
    finite = tuple((metric, named[metric.name]) for metric in known if isfinite(named[metric.name]))
    if not (finite or notes):
        return None
    return TableScores(column=column, num_rows=len(rows), scores=finite, notes=tuple(notes))


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
