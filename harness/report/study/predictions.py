"""Reads the answers of models, and the texts of the test rows, that a run folder has kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.answers import Answers, read_answers
from harness.errors import RunError
from harness.records.final import SHOWN, SHOWN_WIDTH, UNITS, FinalModel
from harness.report.kit.text import clip
from harness.report.kit.view import View
from harness.report.lenses.registry import lens_of
from harness.stats.metric import Metric
from harness.stats.resampling import PairedComparison, compare

__all__ = ["answers_of", "compared", "cut_alike", "shown_rows", "shown_texts", "units_of", "validation_answers"]


def answers_of(view: View, model: FinalModel, split: str = "test") -> Answers | None:
    """The answers of a final model; None when they are missing, unreadable or not of this task."""
    return _read(view, view.file(model.predictions), split)


def validation_answers(view: View, number: int) -> Answers | None:
    """The answers of a trial on validation: those of the final model, else those beside its kept weights; else None."""
    for model in view.models.values():
        if model.number == number and (answers := answers_of(view, model, "validation")) is not None:
            return answers
    for run in view.seeds(view.by_number[number]):
        path = view.file(f"{run.weights}/validation.npz") if run.weights else None
        if (answers := _read(view, path, "validation")) is not None:
            return answers
    return None


def _read(view: View, path: Path | None, split: str) -> Answers | None:
    if path is None:
        return None
    try:
        answers = read_answers(path, split)
    except RunError:
        return None
    lens = lens_of(view.task)
    return answers if len(answers) and (lens is None or lens.fits(answers)) else None


def _file(view: View, name: str) -> Path | None:
    """A file of the decision; None before it, and where the file is missing."""
    final = view.results.final
    return view.file(f"{final.folder}/{name}") if final is not None else None


def units_of(view: View, split: str) -> np.ndarray | None:
    """The number of each row's unit that intervals draw; None where they draw rows, and where it was not kept."""
    path = _file(view, UNITS)
    try:
        units = json.loads(path.read_text(encoding="utf-8")).get(split) if path is not None else None
    except (OSError, ValueError, AttributeError):
        return None
    return np.array(units) if units and all(isinstance(unit, int) for unit in units) else None


def compared(
    metric: Metric, a: Answers | None, b: Answers | None, units: np.ndarray | None = None
) -> PairedComparison | None:
    """The paired comparison of model `a` with model `b`, row by row, or by draws of the rows' `units`.

    None where the answers of one are missing or of other rows, for a metric by tokens where the two cut the rows
    differently, and for a metric without a formula: that of a user's own task, of which the run keeps the facts and not
    the code.
    """
    if a is None or b is None or not metric.has_formula or not a.same_targets(b) or not cut_alike(metric, a, b):
        return None
    groups = units if units is not None and len(units) == len(a) else None
    return compare(metric, a.outputs, b.outputs, a.targets, groups)


def cut_alike(metric: Metric, a: Answers, b: Answers) -> bool:
    """False where `metric` is by tokens, and the tokenizers of two models cut the same rows into other numbers."""
    both = (a, b)
    if not metric.by_tokens or metric.row_stats is None or not all(metric.is_known(one.outputs) for one in both):
        return True
    first, second = (metric.row_stats(one.outputs, one.targets)[:, -1] for one in both)
    return np.array_equal(first, second)


def shown_rows(view: View, num_rows: int) -> Sequence[str]:
    """The texts of the `num_rows` test rows, pairs joined; empty where they were not kept, or are another number."""
    return [clip(" ".join(row), SHOWN_WIDTH) for row in shown_texts(view, num_rows)]


def shown_texts(view: View, num_rows: int) -> Sequence[tuple[str, ...]]:
    """The texts of the `num_rows` test rows, one or two each; empty as for `shown_rows`.

    Versions before kept a pair as one text.
    """
    path = _file(view, SHOWN)
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, ValueError):
        return ()
    if not isinstance(rows, list) or len(rows) != num_rows:
        return ()
    texts = [(row,) if isinstance(row, str) else tuple(row) if isinstance(row, list) else () for row in rows]
    if not all(row and all(isinstance(text, str) for text in row) for row in texts):
        return ()
    return [tuple(clip(text, SHOWN_WIDTH) for text in row) for row in texts]
