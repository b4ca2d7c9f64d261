"""The lens for boxes around objects: precision by class, precision against recall, and pictures with their boxes.

It reads the ragged outputs `boxes`, `classes`, `scores` and `shown`, and the ragged targets `boxes` and `classes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.report.kit.figures import COLORS, Figure, axis, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import clip, for_figure, percent
from harness.report.kit.view import View
from harness.report.lenses.base import NO_OTHERS, Findings
from harness.report.lenses.box_pictures import pictures_with_boxes
from harness.stats.boxes.matching import ClassMatches, matches_by_class
from harness.stats.boxes.metrics import COCO_THRESHOLDS
from harness.stats.boxes.precision import average_precisions
from harness.stats.metric import ratio
from harness.stats.ragged import ragged_of

__all__ = ["Boxes"]

#: So many classes have a curve.
_MAX_CURVES = 6
_LINES = ("blue", "orange", "green", "purple", "yellow", "sky")


class Boxes:
    """The lens of tasks with boxes around objects."""

    lead = (
        "Which objects the winner finds in the test pictures; a box is right when what it shares with a true one "
        "of its class is at least half of what both cover (IoU 0.5)."
    )

    def fits(self, answers: Answers) -> bool:
        """True for ragged boxes of four sides, with as many classes, and with scores where they are predicted."""
        parts = [(answers.targets, ("boxes", "classes")), (answers.outputs, ("boxes", "classes", "scores", "shown"))]
        for arrays, names in parts:
            found = [arrays.get(name) for name in names]
            if not all(isinstance(array, Ragged) for array in found):
                return False
            ragged = [array for array in found if isinstance(array, Ragged)]
            if ragged[0].values.ndim != 2 or ragged[0].values.shape[1] != 4 or ragged[1].values.dtype.kind not in "iu":
                return False
            if not all(np.array_equal(array.offsets, ragged[0].offsets) for array in ragged):
                return False
        return True

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The objects of a picture by class: "3 objects (cat, dog)"."""
        names = _names(view, answers)
        classes = ragged_of(answers.targets["classes"]).of(np.array([row])).tolist()
        listed = ", ".join(dict.fromkeys(names[int(kind)] for kind in classes))
        return f"{len(classes)} {'object' if len(classes) == 1 else 'objects'} ({listed})" if classes else "no object"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """Precision against recall, the pictures, and a table by class."""
        names = _names(view, answers)
        matches = matches_by_class(answers.outputs, answers.targets, COCO_THRESHOLDS)
        if not matches:
            return Findings(empty="The test pictures have no object.")
        kinds = np.unique(np.asarray(ragged_of(answers.targets["classes"]).values)).tolist()
        figures = [pictures_with_boxes(view, answers, names), _curves(matches, [names[kind] for kind in kinds])]
        return Findings(
            figures=tuple(figure for figure in figures if figure is not None),
            tables=(_by_class(answers, matches, kinds, names),),
        )


def _names(view: View, answers: Answers) -> list[str]:
    """The names of the classes; numbers for those that the run does not name."""
    names = [clip(name, 100) for name in view.results.manifest.data.labels]
    largest = max(
        int(np.asarray(ragged_of(arrays["classes"]).values).max(initial=-1))
        for arrays in (answers.targets, answers.outputs)
    )
    return names + [f"class {number}" for number in range(len(names), largest + 1)]


def _curves(matches: Sequence[ClassMatches], names: Sequence[str]) -> Figure:
    """Precision against recall at an IoU of 0.5, of the classes with most objects."""
    order = sorted(range(len(matches)), key=lambda at: -int(matches[at].true.sum()))[:_MAX_CURVES]
    data = []
    for at, color in zip(order, _LINES, strict=False):
        right = np.cumsum(matches[at].hits[0])
        said = np.arange(1, len(right) + 1)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": (right / matches[at].true.sum()).round(4).tolist(),
                "y": (right / said).round(4).tolist(),
                "name": for_figure(names[at], 30),
                "line": {"color": COLORS[color], "shape": "hv"},
                "hovertemplate": "recall %{x:.1%}, precision %{y:.1%}<extra></extra>",
            }
        )
    share = {"tickformat": ".0%", "range": [0, 1.02]}
    best = max(order, key=lambda at: float(average_precisions(matches[at], _all(matches[at]))[0, 0]))
    more = f"Shown are the {_MAX_CURVES} classes with most objects." if len(matches) > _MAX_CURVES else ""
    return Figure(
        key="precision-recall",
        title="Precision against recall on test",
        data=data,
        layout=layout(axis("recall", **share), axis("precision", **share), 360),
        alt=f"At an IoU of 0.5 the model is best at {for_figure(names[best])}.",
        note=f"Each point is a score from which on boxes count. {more}".strip(),
    )


def _all(matches: ClassMatches) -> np.ndarray:
    return np.ones((1, len(matches.true)))


def _by_class(answers: Answers, matches: Sequence[ClassMatches], kinds: Sequence[int], names: Sequence[str]) -> Table:
    """The precisions of each class, and what the boxes that are shown find of it."""
    only_shown = _shown(answers)
    of_shown = matches_by_class(only_shown.outputs, only_shown.targets, (0.5,))
    rows = []
    for kind, whole, shown in zip(kinds, matches, of_shown, strict=True):
        values = average_precisions(whole, _all(whole))[0]
        right, said, true = int(shown.hits[0].sum()), len(shown.rows), int(shown.true.sum())
        found = [percent(float(ratio(right, said))) if said else "–", percent(right / true)]
        precisions = [percent(float(value)) for value in (values.mean(), values[0], values[5])]
        rows.append([names[kind], f"{true:,}", *precisions, f"{said:,}", *found])
    return Table(
        title="Each class on test",
        head=("class", "objects", "mAP", "AP50", "AP75", "boxes shown", "of these right", "objects found"),
        rows=rows,
        numeric=frozenset(range(1, 8)),
        caption="AP50 and AP75 are the average precisions at IoUs of 0.5 and 0.75, mAP that of 0.5 to 0.95.",
    )


def _shown(answers: Answers) -> Answers:
    """The answers with the boxes alone that are shown."""
    is_shown = ragged_of(answers.outputs["shown"])
    kept = np.asarray(is_shown.values).astype(bool)
    offsets = np.concatenate([[0], np.cumsum(kept)])[np.asarray(is_shown.offsets)]
    outputs = {
        name: Ragged(values=np.asarray(ragged_of(array).values)[kept], offsets=offsets)
        for name, array in answers.outputs.items()
    }
    return Answers(outputs, answers.targets)
