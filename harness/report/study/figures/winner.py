"""Figures of the final models for every task: scores with intervals, and the learning curve of each seed."""

from __future__ import annotations

from math import isfinite, nan

import numpy as np

from harness.report.kit.figures import COLORS, Figure, axis, categories, layout, score_axis
from harness.report.kit.text import interval, metric, metric_title, plural
from harness.report.kit.view import View
from harness.spec.tasks import metric_named
from harness.stats.intervals import Interval

__all__ = ["forest", "seed_curves"]

_SEED_COLORS = ("orange", "blue", "green", "purple", "yellow", "sky", "grey")


def forest(title: str, metric_name: str, rows: list[tuple[str, Interval]], caption: str, split: str = "test") -> Figure:
    """Scores with their 95 % intervals, one model per row; the first is on top and highlighted."""
    finite = [(name, bounds) for name, bounds in rows if isfinite(bounds.value)]
    percents = metric_named(metric_name).percent
    data = []
    for place, (_, bounds) in enumerate(finite):
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
    ticks = categories([name for name, _ in finite])
    return Figure(
        key="forest",
        title=title,
        data=data,
        layout=layout(
            axis(
                f"{split} {metric_title(metric_name)}{' (%)' if percents else ''}",
                **({"tickformat": ".3~%"} if percents else {}),
            ),
            axis("", **ticks, showgrid=False, range=[len(finite) - 0.5, -0.6]),
            max(300, 110 + 62 * len(finite)),
            legend=False,
        ),
        alt=caption,
    )


def seed_curves(view: View) -> Figure | None:
    """The learning curve of each seed of the winner's configuration."""
    if view.winner is None:
        return None
    runs = [run for run in view.seeds(view.winner) if run.history]
    if not runs:
        return None
    data, scores = [], []
    for place, run in enumerate(runs):
        curve = [progress.metrics.get(view.objective, nan) for progress in run.history]
        scores += [score for progress, score in zip(run.history, curve, strict=True) if progress.step == run.best_step]
        sizes = [13 if progress.step == run.best_step else 7 for progress in run.history]
        color = COLORS[_SEED_COLORS[place % len(_SEED_COLORS)]]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"seed {run.seed}",
                "x": [progress.epoch for progress in run.history],
                "y": [score if isfinite(score) else None for score in curve],
                "line": {"color": color, "width": 2},
                "marker": {"color": color, "size": sizes},
                "hovertemplate": f"seed {run.seed}: %{{y:{view.score_format}}}<extra></extra>",
            }
        )
    scores = [score for score in scores if isfinite(score)]
    if not scores:
        return None
    mean = view.score_text(float(np.mean(scores)))
    spread = f", from {view.score_text(min(scores))} to {view.score_text(max(scores))}" if len(scores) > 1 else ""
    return Figure(
        key="seeds",
        title=f"Learning curve of each seed of trial {view.winner.number}",
        data=data,
        layout=layout(axis("epoch", rangemode="tozero"), score_axis(view), 380),
        alt=f"{plural(len(scores), 'seed')}: mean validation {view.score_name} {mean}{spread}, each at its best "
        "evaluation, the large dot.",
    )
