"""Scores an exported model on a new labelled table: each metric of its task with an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.values import as_text, is_missing
from harness.errors import InputError, StudyFailed, nearest
from harness.jobs.labelled import labelled_rows, scored_outputs
from harness.jobs.predict import Export, predict_outputs, read_table
from harness.records.exported import read_export
from harness.report.kit.text import clip
from harness.spec.requirement import Requirement
from harness.spec.tasks import facts_of
from harness.stats.intervals import Interval
from harness.stats.metric import Metric
from harness.stats.resampling import interval
from harness.stats.shown import NONE, shown_apart

__all__ = ["Evaluation", "check_evaluation", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The scores of a model on the rows of a table that have a text and a target.

    `test` are the scores on the test split of its study, by metric; {} where it was not scored there. `unit` is the
    column whose values the intervals draw; "" where they draw rows.
    """

    folder: Path
    table: Path
    column: str
    unit: str
    num_rows: int
    num_scored: int
    scores: tuple[tuple[Metric, Interval], ...]
    test: Mapping[str, Interval]
    notes: tuple[str, ...]

    @property
    def metrics(self) -> dict[str, Interval]:
        """The scores by the metric's name."""
        return {metric.name: value for metric, value in self.scores}

    def to_json(self) -> dict[str, Any]:
        """The evaluation as `harness evaluate --json` prints it."""
        return {
            "model": str(self.folder),
            "table": str(self.table),
            "column": self.column,
            "resampled_by": self.unit or None,
            "rows": self.num_rows,
            "scored_rows": self.num_scored,
            "metrics": {name: _bounds(value) for name, value in self.metrics.items()},
            "test": {name: _bounds(value) for name, value in self.test.items()},
            "notes": list(self.notes),
        }


def _bounds(value: Interval) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def evaluate(export: Export, table: Path, unit: str | None, note: Callable[[str], object]) -> Evaluation:
    """Predicts the rows of a labelled table and scores the predictions.

    `unit` names the column whose values the intervals draw (a user, a passage); None: the task's own unit, where it has
    one, else rows. `note` gets a line on how the table was read, and on rows that are left out.

    Raises:
        InputError: the table cannot be read, or no row of it can be scored.
    """
    from harness.tasks import task_of

    task, notes = task_of(export.task), list[str]()

    def keep(line: str) -> None:
        notes.append(line)
        note(line)

    columns, rows, read_notes = read_table(export, table, option="")
    for line in read_notes:
        keep(line)
    by = _unit_column(export, table, columns, unit)
    places = [place for place, row in enumerate(rows) if row is not None]
    if not places:
        raise InputError(f"{table}: no row has a text to predict from")
    given = {name: [values[place] for place in places] for name, values in columns.items()}
    labelled = labelled_rows(export, given)
    if labelled is None:
        listed = ", ".join(f"'{name}'" for name in list(columns)[:20])
        raise InputError(
            f"{table}: no column '{export.target}', which the model was trained to predict (columns: {listed})"
            f"{nearest(export.target, columns)}; rename the column of right answers, or predict: harness predict --csv"
        )
    for line in labelled.notes:
        keep(line)
    if not labelled.targets:
        raise InputError(f"{table}: no row can be scored: {labelled.notes[-1].removeprefix('not scored: ')}")
    outputs = predict_outputs(export, [row for row in rows if row is not None], note)
    chosen = scored_outputs(labelled, outputs, task.facts)
    groups = None if by is None else _numbers([given[by][row] for row in labelled.rows])
    named = task.metrics(chosen, labelled.targets)
    metrics = [metric for metric in task.facts.metrics if metric.name in named]
    return Evaluation(
        folder=export.folder,
        table=table,
        column=labelled.column,
        unit=by or "",
        num_rows=len(rows),
        num_scored=len(labelled.rows),
        scores=tuple((metric, interval(metric, chosen, labelled.targets, groups)) for metric in metrics),
        test=read_export(export.folder).test or {},
        notes=tuple(notes),
    )


def _unit_column(export: Export, table: Path, columns: Mapping[str, Any], unit: str | None) -> str | None:
    """Returns the column whose values the intervals draw; None for rows.

    Raises:
        InputError: the table has no column of this name.
    """
    if unit is None:
        own = facts_of(export.task).unit
        return export.columns.get(own.name) if own is not None and export.columns.get(own.name) in columns else None
    if unit not in columns:
        listed = ", ".join(f"'{name}'" for name in list(columns)[:20])
        raise InputError(f"{table}: --by: no column '{unit}' (columns: {listed}){nearest(unit, columns)}")
    return unit


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """Returns a number for each row's unit; a row without one is a unit of its own."""
    import pandas as pd

    names = [f"\0{row}" if is_missing(value) else as_text("the table", value) for row, value in enumerate(values)]
    return pd.factorize(np.array(names, dtype=object))[0]


def check_evaluation(found: Evaluation, requirements: Sequence[Requirement], say: Callable[[str], None]) -> None:
    """Says a line on each requirement that the scores meet.

    Raises:
        StudyFailed: a requirement is not met; a line on each that is not.
    """
    scores, unmet = found.metrics, []
    for requirement in requirements:
        bounds = scores.get(requirement.metric.name)
        value = float("nan") if bounds is None else float(getattr(bounds, requirement.part))
        shown = shown_apart(requirement.metric, value, requirement.limit)[0]
        shown = f"no {requirement.metric.name}" if shown == NONE or bounds is None else shown
        if requirement.is_met(value):
            say(f"required {requirement.text}: {shown} on {found.table}")
        else:
            unmet.append(clip(f"required {requirement.text}, but the model has {shown} on {found.table}"))
    if unmet:
        raise StudyFailed("\n".join(unmet))
