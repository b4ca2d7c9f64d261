"""One class a row: what is taken for what, how sure the model is, and the errors that it was surest of.

It reads the output `probabilities` [rows, num_labels] and the target `labels` [rows].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.data.answers import Answers
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, percent
from harness.report.kit.view import View
from harness.report.lenses.base import NO_ROWS, Findings
from harness.report.lenses.class_figures import calibration_curve, class_names_shown, confusion
from harness.report.lenses.class_scores import ClassScores, mistakes

__all__ = ["Classes", "class_names"]

_MAX_PAIRS = 15


class Classes:
    """The lens of tasks with one class a row."""

    lead = "What the recommended model gets right and wrong on the test rows."

    def fits(self, answers: Answers) -> bool:
        """True for class ids that each have a column of probabilities."""
        labels, probabilities = answers.targets.get("labels"), answers.outputs.get("probabilities")
        if not isinstance(labels, np.ndarray) or not isinstance(probabilities, np.ndarray):
            return False
        if labels.ndim != 1 or probabilities.ndim != 2 or labels.dtype.kind not in "iu":
            return False
        return probabilities.dtype.kind == "f" and 0 <= labels.min() <= labels.max() < probabilities.shape[1]

    def look(self, view: View, answers: Answers, texts: Sequence[str]) -> Findings:
        """Confusion matrix and calibration; the classes, the pairs that are confused, the surest errors."""
        scores = ClassScores.of(answers)
        names = class_names(view, scores.probabilities.shape[1])
        shown = class_names_shown(names)
        tables = [_classes(scores, shown), _confused(scores, shown), _errors(scores, shown, texts)]
        return Findings(
            figures=(confusion(scores, names), calibration_curve(scores)),
            tables=tuple(table for table in tables if table is not None),
        )


def class_names(view: View, count: int) -> list[str]:
    """The names of the classes, on one line each; numbers where they are not known."""
    known = [clip(name, 300) or "(no name)" for name in view.results.manifest.data.labels]
    return known if len(known) == count else [f"class {place}" for place in range(count)]


def _classes(scores: ClassScores, names: list[str]) -> Table:
    rows = [
        [name, percent(precision), percent(recall), percent(f1), f"{support:,}"]
        for name, (precision, recall, f1, support) in zip(names, scores.per_class(), strict=True)
    ]
    return Table(
        title="Each class on test",
        head=("class", "precision", "recall", "F1", "support (rows)"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _confused(scores: ClassScores, names: list[str]) -> Table | None:
    """The pairs of classes that it takes for one another most often."""
    if len(names) < 3 or scores.correct.all():
        return None
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_PAIRS]
    pairs = [divmod(int(place), len(names)) for place in order]
    rows = [
        [names[true], names[said], f"{wrong[true, said]:,}", _share(wrong, scores, true, said)]
        for true, said in pairs
        if wrong[true, said]
    ]
    return Table(
        title="What it takes for what",
        head=("true class", "predicted class", "rows", "of the class"),
        rows=rows,
        numeric=frozenset({2, 3}),
    )


def _share(wrong: np.ndarray, scores: ClassScores, true: int, said: int) -> str:
    return percent(float(wrong[true, said] / scores.confusion[true].sum()))


def _errors(scores: ClassScores, names: list[str], texts: Sequence[str]) -> Table | None:
    if scores.correct.all():
        return None
    surest = mistakes(scores, texts)
    rows = [
        [
            f"{mistake.row}",
            percent(mistake.confidence),
            names[mistake.label],
            names[mistake.predicted],
            *([mistake.text] if texts else []),
        ]
        for mistake in surest
    ]
    return Table(
        title=f"The {len(surest)} errors it was surest of" if len(surest) > 1 else "The error it was surest of",
        head=("test row", "confidence", "true class", "predicted class", *(["text"] if texts else [])),
        rows=rows,
        numeric=frozenset({1}),
        texts=frozenset({4}),
        wide=True,
        caption="" if texts else NO_ROWS,
    )
