"""Figures of the models that saw the test split: how sure the scores are, and where the winner errs.

Knows nothing of HTML; the numbers come from the view, `predictions` and `stats`.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from harness.report.kit.figures import COLORS, RAMP, Figure, axis, categories, columns, layout, score_axis
from harness.report.kit.stats import calibration
from harness.report.kit.text import for_figure, interval, metric, metric_title, percent, plural
from harness.report.kit.view import View
from harness.report.study.predictions import Scores
from harness.spec.tasks import metric_named
from harness.stats.intervals import Interval, wilson

__all__ = ["calibration_curve", "class_names_shown", "confusion", "forest", "seed_curves", "winner_figures"]

_MAX_NAMED_CLASSES = 15
_SEED_COLORS = ("orange", "blue", "green", "purple", "yellow", "sky", "grey")


def winner_figures(view: View, scores: Scores | None, names: list[str]) -> list[Figure]:
    """The figures of the winner's section."""
    found = [confusion(scores, names), calibration_curve(scores)] if scores is not None else []
    return [*found, *([curves] if (curves := seed_curves(view)) is not None else [])]


def forest(title: str, metric_name: str, rows: list[tuple[str, Interval]], found: str, split: str = "test") -> Figure:
    """Scores with their 95 % intervals, one model a row, the first on top and in colour."""
    known = [(name, bounds) for name, bounds in rows if isfinite(bounds.value)]
    percents = metric_named(metric_name).percent
    data = []
    for place, (_, bounds) in enumerate(known):
        color = COLORS["orange"] if place == 0 else COLORS["blue"]
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": [bounds.value],
                "y": [place],
                "text": [metric(metric_name, bounds.value)],
                "textposition": "top center",
                "textfont": {"size": 13, "color": COLORS["ink"]},
                "cliponaxis": False,
                "marker": {"color": color, "size": 11, "symbol": "diamond" if place == 0 else "circle"},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [max(0.0, bounds.high - bounds.value) if isfinite(bounds.high) else 0],
                    "arrayminus": [max(0.0, bounds.value - bounds.low) if isfinite(bounds.low) else 0],
                    "color": color,
                    "thickness": 2.5,
                    "width": 5,
                },
                "hovertemplate": f"{metric(metric_name, bounds.value)} ({interval(metric_name, bounds)})"
                "<extra></extra>",
            }
        )
    ticks = categories([name for name, _ in known])
    return Figure(
        key="forest",
        title=title,
        data=data,
        layout=layout(
            axis(
                f"{split} {metric_title(metric_name)}{' (%)' if percents else ''}",
                **({"tickformat": ".3~%"} if percents else {}),
            ),
            axis("", **ticks, showgrid=False, range=[len(known) - 0.5, -0.6]),
            max(300, 110 + 62 * len(known)),
            legend=False,
        ),
        alt=found,
    )


def class_names_shown(names: list[str]) -> list[str]:
    """The classes as the tables name them: with their number where the matrix has to tell them apart by it."""
    return [f"{place}. {name}" for place, name in enumerate(names, 1)] if _numbered(names) else names


def _numbered(names: list[str]) -> bool:
    """True where the names do not fit beside the matrix, or would read the same there."""
    return len(names) > _MAX_NAMED_CLASSES or len(set(_short_names(names))) < len(names)


def _short_names(names: list[str]) -> list[str]:
    return [for_figure(name, 18 if len(names) < 12 else 14) for name in names]


def _ticks(names: list[str]) -> list[str]:
    """The name of each class beside the matrix, no two alike."""
    if not _numbered(names):
        return _short_names(names)
    numbers = [str(place) for place in range(1, len(names) + 1)]
    few = len(names) <= _MAX_NAMED_CLASSES
    return [f"{number}. {name}" for number, name in zip(numbers, _short_names(names), strict=True)] if few else numbers


def confusion(scores: Scores, names: list[str]) -> Figure:
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
    told = [for_figure(name) for name in class_names_shown(names)]
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
                f"true: {told[true]}<br>predicted: {told[said]}<br>{plural(int(count), 'row')}, "
                f"{percent(float(share), 0)} of the class"
                for said, count, share in zip(kept, row, part, strict=True)
            ]
            for true, row, part in zip(kept, counts, shares, strict=True)
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))
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
        alt=f"{int(np.trace(scores.confusion)):,} of {len(scores.labels):,} rows are right, {int(wrong.sum()):,} "
        "wrong. A cell holds how many rows of the true class (its row) were predicted as the class of its column"
        f"{'' if few else ', an empty one none'}; the colour is their share of the true class.{named}",
        note=note,
        wide=not few,
        min_width=(150 + 26 * len(kept)) if few else 80 + cell * len(kept),
    )


def calibration_curve(scores: Scores) -> Figure:
    """How often the model is right when it says how sure it is."""
    found = calibration(scores.confidence, scores.correct)
    bounds = [wilson(float(a), int(n)) for a, n in zip(found.accuracy, found.num_rows, strict=True)]
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
        "x": found.confidence.tolist(),
        "y": found.accuracy.tolist(),
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
        "hovertemplate": "says %{x:.1%}, is right in %{y:.1%}<extra></extra>",
    }
    low = max(0.0, min(float(found.confidence.min()), min(bound.low for bound in bounds)) - 0.05)
    gap = float(scores.confidence.mean() - scores.correct.mean())
    manner = "too sure of itself" if gap > 0 else "less sure than it could be"
    return Figure(
        key="calibration",
        title="Calibration on test: confidence against accuracy",
        data=[ideal, model],
        layout=layout(
            axis("confidence (%)", range=[low, 1.01], tickformat=".0%"),
            axis("accuracy (%)", range=[low, 1.03], tickformat=".0%"),
            380,
        ),
        alt=f"Expected calibration error {percent(found.error)}; on average the model is {manner} "
        f"(by {100 * abs(gap):.1f} points).",
        note=f"{plural(len(found.num_rows), 'bin')} with equally many rows.",
    )


def seed_curves(view: View) -> Figure | None:
    """The learning curve of each seed of the recommended configuration."""
    if view.winner is None:
        return None
    runs = [run for run in view.seeds(view.winner) if run.history]
    if not runs:
        return None
    data = []
    for place, run in enumerate(runs):
        color = COLORS[_SEED_COLORS[place % len(_SEED_COLORS)]]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"seed {run.seed}",
                "x": [progress.epoch for progress in run.history],
                "y": [progress.metrics.get(view.objective) for progress in run.history],
                "line": {"color": color, "width": 2},
                "marker": {"color": color, "size": 7},
                "hovertemplate": f"seed {run.seed}: %{{y:{view.score_format}}}<extra></extra>",
            }
        )
    ends = [view.score(run) for run in runs]
    mean = view.shown(float(np.mean(ends)))
    spread = f", from {view.shown(min(ends))} to {view.shown(max(ends))}" if len(runs) > 1 else ""
    return Figure(
        key="seeds",
        title=f"Learning curve of each seed of trial {view.winner.number}",
        data=data,
        layout=layout(axis("epoch", rangemode="tozero"), score_axis(view), 380),
        alt=f"{plural(len(runs), 'seed')}: mean validation {view.score_name} {mean}{spread}.",
    )
