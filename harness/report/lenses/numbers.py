"""The lens for one number per row: predicted against true, errors against predictions, and the largest errors.

It reads the output `predictions` [rows] and the target `numbers` [rows].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

import numpy as np

from harness.data.answers import Answers
from harness.report.kit.figures import COLORS, Figure, axis, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import for_figure
from harness.report.kit.view import View
from harness.report.lenses.base import NO_OTHERS, NO_ROWS, Findings
from harness.report.lenses.number_errors import NumberErrors, errors_caption, predictions_caption

__all__ = ["Numbers"]


class Numbers:
    """The lens of tasks with one number a row."""

    lead = "How far off the winner is on the test rows."

    def fits(self, answers: Answers) -> bool:
        """True where predictions and numbers are both one number per row."""
        sides = answers.outputs.get("predictions"), answers.targets.get("numbers")
        return all(isinstance(side, np.ndarray) and side.ndim == 1 and side.dtype.kind in "fiu" for side in sides)

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """The number of a row: "number 3.5"."""
        return f"number {float(np.asarray(answers.targets['numbers'])[row]):.6g}"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """Predicted against true numbers, errors against predictions; the rows with the largest errors."""
        errors = NumberErrors.of(answers)
        if not len(errors):
            return Findings(
                empty=f"The model's prediction is a finite number for none of the {len(answers):,} test rows."
            )
        worst = _worst_rows(errors, texts)
        figures = (_against_truth(errors, _target_name(view)), _residuals(errors))
        return Findings(figures=figures, tables=(worst,) if worst is not None else ())


def _target_name(view: View) -> str:
    """The name of the target's column in the data; "" where it is not known."""
    target = view.task.target
    return for_figure(view.results.manifest.data.columns.get(target.name, "")) if target is not None else ""


def _against_truth(errors: NumberErrors, name: str) -> Figure:
    low = float(min(errors.true.min(), errors.predicted.min()))
    high = float(max(errors.true.max(), errors.predicted.max()))
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    reach = [low - pad, high + pad]
    diagonal = _line("predicted as it is", reach, reach)
    points = _points(errors, errors.true, errors.predicted) | {
        "hovertemplate": "row %{customdata}: predicted %{y:.4~g}, true %{x:.4~g}<extra></extra>"
    }
    of_name = f" {name}" if name else " number"
    return Figure(
        key="predicted-true",
        title="Predicted against true on test",
        data=[diagonal, points],
        layout=layout(axis(f"true{of_name}", range=reach), axis(f"predicted{of_name}", range=reach), 420),
        alt=predictions_caption(errors),
        note=errors.note,
    )


def _residuals(errors: NumberErrors) -> Figure:
    reach = [float(errors.predicted.min()), float(errors.predicted.max())]
    zero = _line("no error", reach, [0.0, 0.0])
    points = _points(errors, errors.predicted, errors.error) | {
        "hovertemplate": "row %{customdata}: %{y:+.4~g} at a prediction of %{x:.4~g}<extra></extra>"
    }
    return Figure(
        key="residuals",
        title="Errors on test against the prediction",
        data=[zero, points],
        layout=layout(axis("predicted"), axis("error (predicted less true)"), 420),
        alt=errors_caption(errors),
        note=errors.note,
    )


def _points(errors: NumberErrors, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "test row",
        "x": x[errors.drawn].tolist(),
        "y": y[errors.drawn].tolist(),
        "customdata": errors.row[errors.drawn].tolist(),
        "marker": {"color": COLORS["orange"], "size": 6, "opacity": 0.6},
    }


def _line(name: str, x: list[float], y: list[float]) -> dict[str, Any]:
    look = {"color": COLORS["grey"], "width": 1.5, "dash": "dash"}
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": look, "hoverinfo": "skip"}


def _worst_rows(errors: NumberErrors, texts: Sequence[str]) -> Table | None:
    """The rows with the largest errors; None where no row has any."""
    worst = errors.worst
    if not len(worst):
        return None
    size = floor(log10(abs(errors.error[worst[0]])))
    places = max(0, 2 - size) if -6 <= size <= 12 else None
    rows = [
        [
            f"{errors.row[place]}",
            *(_figures(side[place], places) for side in (errors.true, errors.predicted)),
            ("+" if errors.error[place] > 0 else "−") + _figures(abs(errors.error[place]), places),
            *([texts[int(errors.row[place])]] if texts else []),
        ]
        for place in worst
    ]
    return Table(
        title=f"The {len(worst)} rows with the largest errors" if len(worst) > 1 else "The one row with an error",
        head=("test row", "true", "predicted", "error", *(["text"] if texts else [])),
        rows=rows,
        numeric=frozenset({1, 2, 3}),
        texts=frozenset({4}),
        wide=True,
        caption="" if texts else NO_ROWS,
    )


def _figures(value: float, places: int | None) -> str:
    """A number with as many decimals as the largest error needs; with six digits where that is tiny or huge."""
    return (f"{value:.6g}" if places is None else f"{value:z,.{places}f}").replace("-", "−")
