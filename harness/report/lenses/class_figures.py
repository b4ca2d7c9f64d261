"""Figures of answers with one class a row: the confusion matrix and the calibration curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.report.kit.figures import COLORS, RAMP, Figure, axis, categories, columns, layout
from harness.report.kit.text import for_figure, percent, plural
from harness.report.lenses.class_scores import Calibration, ClassScores, calibration
from harness.stats.intervals import wilson

__all__ = ["calibration_curve", "class_names_shown", "confusion", "reliability"]

_MAX_NAMED_CLASSES = 15


def class_names_shown(names: list[str]) -> list[str]:
    """The class names for tables: with their numbers where the matrix shows the numbers."""
    return [f"{place}. {name}" for place, name in enumerate(names, 1)] if _numbered(names) else names


def _numbered(names: list[str]) -> bool:
    """True where the names do not fit beside the matrix, or two would be the same when shortened."""
    return len(names) > _MAX_NAMED_CLASSES or len(set(_short_names(names))) < len(names)


def _short_names(names: list[str]) -> list[str]:
    return [for_figure(name, 18 if len(names) < 12 else 14) for name in names]


def _ticks(names: list[str]) -> list[str]:
    """The label of each class beside the matrix; no two are the same."""
    if not _numbered(names):
        return _short_names(names)
    numbers = [str(place) for place in range(1, len(names) + 1)]
    few = len(names) <= _MAX_NAMED_CLASSES
    return [f"{number}. {name}" for number, name in zip(numbers, _short_names(names), strict=True)] if few else numbers


def confusion(scores: ClassScores, names: list[str]) -> Figure:
    """The confusion matrix; with many classes only those with most errors."""
    counts, kept, note = scores.confusion, np.arange(len(names)), ""
    if len(names) > 40:
        errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        kept = np.sort(np.argsort(-errors, kind="stable")[:30])
        note = f"Shown are the 30 of {len(names)} classes with the most errors."
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)[np.ix_(kept, kept)]
    counts = counts[np.ix_(kept, kept)]
    ticks = [_ticks(names)[place] for place in kept]
    full_names = [for_figure(name) for name in class_names_shown(names)]
    few = len(names) <= _MAX_NAMED_CLASSES
    cell = 52 if few else max(22, 10 + 7 * len(str(counts.max())))
    data = {
        "type": "heatmap",
        "x": list(range(len(kept))),
        "y": list(range(len(kept))),
        "z": shares.tolist(),
        "zmin": 0,
        "zmax": 1,
        "text": [[str(count) if count or few else "" for count in row] for row in counts.tolist()],
        "texttemplate": "%{text}",
        "textfont": {"size": 12 if few else 10},
        "colorscale": [[i / (len(RAMP) - 1), color] for i, color in enumerate(RAMP)],
        "showscale": False,
        "xgap": 2 if few else 1,
        "ygap": 2 if few else 1,
        "hovertext": [
            [
                f"true: {full_names[true]}<br>predicted: {full_names[predicted]}<br>{plural(int(count), 'row')}, "
                f"{percent(float(share), 0)} of the class"
                for predicted, count, share in zip(kept, row, part, strict=True)
            ]
            for true, row, part in zip(kept, counts, shares, strict=True)
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    right, total = int(np.trace(counts)), int(counts.sum())
    rows = (
        f"{right:,} of {total:,} rows are right"
        if len(kept) == len(names)
        else f"Of {total:,} rows between these {len(kept)} classes {right:,} are right"
    )
    named = " Classes are numbered as in the tables below." if _numbered(names) else ""
    return Figure(
        key="confusion",
        title="Confusion matrix on test",
        data=[data],
        layout=layout(
            axis("predicted class", **(columns(ticks) if few else categories(ticks)), showgrid=False),
            axis("true class", **categories(ticks), showgrid=False, autorange="reversed"),
            (220 if few else 110) + cell * max(3, len(kept)),
            legend=False,
        ),
        alt=f"{rows}, {total - right:,} wrong. "
        "A cell holds how many rows of the true class (its row) were predicted as the class of its column"
        f"{'' if few else ', an empty one none'}; the colour is their share of the true class.{named}",
        note=note,
        wide=not few,
        min_width=(150 + 26 * len(kept)) if few else 80 + cell * len(kept),
    )


def calibration_curve(scores: ClassScores) -> Figure:
    """Accuracy by confidence, with the ideal diagonal."""
    curve = calibration(scores.confidence, scores.correct)
    traces, reach = reliability(curve, "says %{x:.1%}, is right in %{y:.1%} of %{customdata} rows")
    gap = 100 * float((curve.confidence - curve.accuracy) @ curve.num_rows / curve.num_rows.sum())
    manner = f"{'too sure of itself' if gap > 0 else 'less sure than it could be'} (by {abs(gap):.1f} points)"
    return Figure(
        key="calibration",
        title="Calibration on test: confidence against accuracy",
        data=traces,
        layout=layout(
            axis("confidence (%)", range=[reach[0], 1.01], tickformat=".0%"),
            axis("accuracy (%)", range=[reach[0], 1.03], tickformat=".0%"),
            380,
        ),
        alt=f"Expected calibration error {percent(curve.error)}; on average the model is "
        f"{manner if abs(gap) >= 0.05 else 'as sure as it is right'}.",
        note=f"{plural(len(curve.num_rows), 'bin')} with equally many rows.",
    )


def reliability(curve: Calibration, hover: str) -> tuple[list[dict[str, Any]], tuple[float, float]]:
    """Returns the lines of a reliability curve with the ideal diagonal, and from where to where its intervals reach."""
    bounds = [wilson(float(a), int(n)) for a, n in zip(curve.accuracy, curve.num_rows, strict=True)]
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "name": "perfectly calibrated",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": COLORS["grey"], "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    model: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "the model, with 95 % intervals",
        "x": curve.confidence.tolist(),
        "y": curve.accuracy.tolist(),
        "line": {"color": COLORS["orange"], "width": 2},
        "marker": {"color": COLORS["orange"], "size": 8},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [bound.high - bound.value for bound in bounds],
            "arrayminus": [bound.value - bound.low for bound in bounds],
            "color": COLORS["orange"],
            "thickness": 1.2,
            "width": 3,
        },
        "customdata": curve.num_rows.tolist(),
        "hovertemplate": f"{hover}<extra></extra>",
    }
    low = min(float(curve.confidence.min()), min(bound.low for bound in bounds)) - 0.05
    high = max(float(curve.confidence.max()), max(bound.high for bound in bounds)) + 0.03
    return [ideal, model], (max(0.0, low), min(1.03, high))
