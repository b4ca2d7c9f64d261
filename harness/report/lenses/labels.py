"""The lens for several labels a row: how each label is found, and the errors with the highest confidence.

It reads the outputs `probabilities` and `decisions` [rows, num_labels] and the target `label_sets`, of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.answers import Answers
from harness.report.kit.figures import COLORS, Figure, axis, categories, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, for_figure, percent, plural
from harness.report.kit.view import View
from harness.report.lenses.base import MAX_ERRORS, NO_OTHERS, NO_ROWS, Findings
from harness.report.lenses.classes import class_names
from harness.stats.metric import ratio

__all__ = ["Labels"]

#: The most labels of the figure: those with the most rows.
_MAX_BARS = 30


class Labels:
    """The lens of tasks with several labels a row."""

    lead = "Which labels the winner finds on the test rows, and which it gives wrongly."

    def fits(self, answers: Answers) -> bool:
        """True for true and given labels [rows, num_labels] with a probability each."""
        true, given = answers.targets.get("label_sets"), answers.outputs.get("decisions")
        probabilities = answers.outputs.get("probabilities")
        arrays = [array for array in (true, given, probabilities) if isinstance(array, np.ndarray) and array.ndim == 2]
        if len(arrays) < 3:
            return False
        shapes, kinds = {array.shape for array in arrays}, [array.dtype.kind for array in arrays]
        return len(shapes) == 1 and kinds[0] in "biu" and kinds[1] in "biu" and kinds[2] == "f"

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The labels of a row: "labels 'joy', 'love'"."""
        true = np.asarray(answers.targets["label_sets"])
        names = class_names(view, true.shape[1])
        listed = ", ".join(f"'{names[label]}'" for label in np.flatnonzero(true[row]))
        return f"labels {listed}" if listed else "no label"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """The F1 of each label, and tables of the labels, the sizes of the sets, and the surest errors."""
        true = np.asarray(answers.targets["label_sets"]).astype(bool)
        given = np.asarray(answers.outputs["decisions"]).astype(bool)
        names = class_names(view, true.shape[1])
        errors = _errors(np.asarray(answers.outputs["probabilities"]), true, given, names, texts)
        tables = [_labels(true, given, names), _sizes(true, given), *([errors] if errors is not None else [])]
        return Findings(figures=(_bars(true, given, names),), tables=tuple(tables))


def _scores(true: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns precision, recall, F1 and rows of each label; NaN where a label is never given, or never true."""
    both, num_true, num_given = (part.sum(axis=0) for part in (true & given, true, given))
    return ratio(both, num_given), ratio(both, num_true), ratio(2 * both, num_true + num_given), num_true


def _bars(true: np.ndarray, given: np.ndarray, names: Sequence[str]) -> Figure:
    """The F1 of each label, the commonest first."""
    _, _, f1, support = _scores(true, given)
    order = np.argsort(-support, kind="stable")[:_MAX_BARS]
    values = np.nan_to_num(f1[order])
    low, high = int(values.argmin()), int(values.argmax())
    note = f"Shown are the {len(order)} of {len(names)} labels with the most rows." if len(order) < len(names) else ""
    shown = [for_figure(f"{names[label]} ({support[label]:,})", 30) for label in order]
    return Figure(
        key="label-f1",
        title="F1 of each label on test, and its rows",
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": values.tolist(),
                "y": list(range(len(order))),
                "customdata": [for_figure(names[label]) for label in order],
                "marker": {"color": COLORS["blue"]},
                "hovertemplate": "%{customdata}: %{x:.1%}<extra></extra>",
            }
        ],
        layout=layout(
            axis("F1 (%)", range=[0, 1], tickformat=".0%"),
            axis("", **categories(shown), autorange="reversed"),
            120 + 22 * max(3, len(order)),
            legend=False,
        ),
        alt=f"From {percent(float(values[low]))} to {percent(float(values[high]))} over {plural(len(order), 'label')}.",
        note=note,
    )


def _labels(true: np.ndarray, given: np.ndarray, names: Sequence[str]) -> Table:
    precision, recall, f1, support = _scores(true, given)
    rows = [
        [name, f"{support[at]:,}", percent(float(precision[at])), percent(float(recall[at])), percent(float(f1[at]))]
        for at, name in enumerate(names)
    ]
    return Table(
        title="Each label on test",
        head=("label", "support (rows)", "precision", "recall", "F1"),
        rows=rows,
        numeric=frozenset({1, 2, 3, 4}),
    )


def _sizes(true: np.ndarray, given: np.ndarray) -> Table:
    """How many labels rows have and are given, and how many of them are given exactly theirs."""
    sizes, exact = true.sum(axis=1), (true == given).all(axis=1)
    rows = []
    for size in np.unique(sizes):
        among = sizes == size
        mean = float(given[among].sum(axis=1).mean())
        rows.append(
            [plural(int(size), "label"), f"{among.sum():,}", f"{mean:.2f}", percent(float(exact[among].mean()))]
        )
    return Table(
        title="Rows by how many labels they have",
        head=("true labels", "rows", "given on average", "exactly right"),
        rows=rows,
        numeric=frozenset({1, 2, 3}),
    )


def _errors(
    probabilities: np.ndarray, true: np.ndarray, given: np.ndarray, names: Sequence[str], texts: Sequence[str]
) -> Table | None:
    """The wrong decisions on a label of which the model was surest; None where it made none."""
    confidence = np.where(given, probabilities, 1 - probabilities)
    wrong = np.argwhere(true != given)
    if not len(wrong):
        return None
    surest: list[list[int]] = wrong[np.argsort(-confidence[tuple(wrong.T)], kind="stable")[:MAX_ERRORS]].tolist()

    def listed(labels: np.ndarray) -> str:
        return clip(", ".join(names[label] for label in np.flatnonzero(labels).tolist()), 120) or "none"

    rows = [
        [
            f"{row}",
            f"{names[label]} {'given' if given[row, label] else 'not given'}",
            percent(float(confidence[row, label])),
            listed(true[row]),
            listed(given[row]),
            *([texts[row]] if texts else []),
        ]
        for row, label in surest
    ]
    return Table(
        title=f"The {len(rows)} errors it was surest of" if len(rows) > 1 else "The error it was surest of",
        head=("test row", "error", "confidence", "true labels", "given labels", *(["text"] if texts else [])),
        rows=rows,
        numeric=frozenset({2}),
        texts=frozenset({5}),
        wide=True,
        caption="" if texts else NO_ROWS,
    )
