"""What the run folder still holds of its models' answers, and of the test rows as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.data.answers import Answers, read_answers
from harness.errors import RunError
from harness.records.final import SHOWN, SHOWN_WIDTH, FinalModel
from harness.report.kit.text import clip
from harness.report.kit.view import View
from harness.report.lenses.registry import lens_of
from harness.stats.metric import Metric
from harness.stats.resampling import PairedComparison, compare

__all__ = ["answers_of", "compared", "shown_rows", "validation_answers"]


def answers_of(view: View, model: FinalModel, split: str = "test") -> Answers | None:
    """The answers of a model that saw the test split; None when they are gone, unreadable or not of this task."""
    return _read(view, view.file(model.predictions), split)


def validation_answers(view: View, number: int) -> Answers | None:
    """The answers for validation of a configuration: of the final model, or those beside the weights kept of it."""
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


def compared(metric: Metric, a: Answers | None, b: Answers | None) -> PairedComparison | None:
    """Model `a` against model `b`, row by row.

    None where the answers of one are gone or of other rows, and for a metric without a formula: a user's own, of which
    the run keeps the facts and not the code.
    """
    if a is None or b is None or not metric.has_formula or not a.same_targets(b):
        return None
    return compare(metric, a.outputs, b.outputs, a.targets)


def shown_rows(view: View, num_rows: int) -> Sequence[str]:
    """Each of the `num_rows` test rows as a person reads it; nothing where they were not kept, or are others."""
    path = view.file(SHOWN)
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, ValueError):
        return ()
    if not isinstance(rows, list) or len(rows) != num_rows or not all(isinstance(row, str) for row in rows):
        return ()
    return [clip(row, SHOWN_WIDTH) for row in rows]
