"""The lens for one class per row: confused classes, calibration, and the errors with the highest confidence.

It reads the output `probabilities` [rows, num_labels] and the target `labels` [rows].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.answers import Answers
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, percent
from harness.report.kit.view import View
from harness.report.lenses.base import NO_OTHERS, NO_ROWS, Findings
from harness.report.lenses.class_figures import calibration_curve, class_names_shown, confusion
from harness.report.lenses.class_scores import ClassScores, mistakes
from harness.report.lenses.pictures import pictures_of

__all__ = ["Classes", "class_names"]

_MAX_PAIRS = 15


class Classes:
    """The lens of tasks with one class a row."""

    lead = "What the winner gets right and wrong on the test rows."

    def fits(self, answers: Answers) -> bool:
        """True for integer labels [rows] that all have a column in probabilities [rows, num_labels]."""
        labels, probabilities = answers.targets.get("labels"), answers.outputs.get("probabilities")
        if not isinstance(labels, np.ndarray) or not isinstance(probabilities, np.ndarray):
            return False
        if labels.ndim != 1 or probabilities.ndim != 2 or labels.dtype.kind not in "iu":
            return False
        return probabilities.dtype.kind == "f" and 0 <= labels.min() <= labels.max() < probabilities.shape[1]

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The label of a row: "label 'positive'"."""
        names = class_names(view, np.asarray(answers.outputs["probabilities"]).shape[1])
        return f"label '{names[int(np.asarray(answers.targets['labels'])[row])]}'"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """Confusion matrix, calibration, and tables of the classes, the confused pairs and the surest errors."""
        scores = ClassScores.of(answers)
        names = class_names(view, scores.probabilities.shape[1])
        table_names = class_names_shown(names)
        errors = _errors(scores, table_names, texts, pictures_of(view))
        tables = [_classes(scores, table_names), _confused(scores, table_names), errors]
        return Findings(
            figures=(confusion(scores, names), calibration_curve(scores)),
            tables=tuple(table for table in tables if table is not None),
        )


def class_names(view: View, count: int) -> list[str]:
    """The names of the classes, on one line each; numbers where the run does not have `count` names."""
    names = [clip(name, 300) or "(no name)" for name in view.results.manifest.data.labels]
    return names if len(names) == count else [f"class {place}" for place in range(count)]


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
    """The pairs of true and predicted class with the most errors."""
    if len(names) < 3 or scores.correct.all():
        return None
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_PAIRS]
    pairs = [divmod(int(place), len(names)) for place in order]
    rows = [
        [names[true], names[predicted], f"{wrong[true, predicted]:,}", _share(wrong, scores, true, predicted)]
        for true, predicted in pairs
        if wrong[true, predicted]
    ]
    return Table(
        title="Which classes are mistaken for which",
        head=("true class", "predicted class", "rows", "of the class"),
        rows=rows,
        numeric=frozenset({2, 3}),
    )


def _share(wrong: np.ndarray, scores: ClassScores, true: int, predicted: int) -> str:
    return percent(float(wrong[true, predicted] / scores.confusion[true].sum()))


def _errors(scores: ClassScores, names: list[str], texts: Sequence[str], pictures: Mapping[int, str]) -> Table | None:
    if scores.correct.all():
        return None
    surest = mistakes(scores, texts)
    rows = [
        [
            f"{mistake.row}",
            percent(mistake.confidence),
            names[mistake.label],
            names[mistake.predicted],
            *([pictures.get(mistake.row, "")] if pictures else []),
            *([mistake.text] if texts else []),
        ]
        for mistake in surest
    ]
    further = [*(["picture"] if pictures else []), *(["file" if pictures else "text"] if texts else [])]
    return Table(
        title=f"The {len(surest)} errors it was surest of" if len(surest) > 1 else "The error it was surest of",
        head=("test row", "confidence", "true class", "predicted class", *further),
        rows=rows,
        numeric=frozenset({1}),
        texts=frozenset({4 + bool(pictures)}),
        pictures=frozenset({4} if pictures else ()),
        wide=True,
        caption="" if texts else NO_ROWS,
    )
