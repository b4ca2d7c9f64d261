"""Figures of several runs: final scores, best score over time and over trials, score against speed.

A run has the same colour in all figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from harness.report.kit.figures import COLORS, Figure, axis, band, layout, log_ticks, score_axis
from harness.report.kit.stats import expected_best, running_best
from harness.report.kit.text import clip, duration, for_figure, metric, metric_title, number, score_and_interval
from harness.report.kit.view import View
from harness.report.study.figures.winner import forest
from harness.stats.intervals import Interval

__all__ = ["compare_figures"]

_RUN_COLORS = ("orange", "blue", "green", "purple", "yellow", "sky", "grey", "red")
Named = Sequence[tuple[str, View]]


def compare_figures(runs: Named, name: str) -> list[Figure]:
    """The figures that these runs have numbers for; `name` is the metric that they are compared by."""
    figures = [_scores(runs, name), _speed(runs, name), _over_time(runs), _over_trials(runs)]
    return [figure for figure in figures if figure is not None]


def _color(place: int) -> str:
    return COLORS[_RUN_COLORS[place % len(_RUN_COLORS)]]


def _scores(runs: Named, name: str) -> Figure | None:
    rows: list[tuple[str, Interval]] = []
    for label, view in runs:
        model = view.chosen
        if model is not None and name in model.test and isfinite(model.test[name].value):
            rows.append((label, model.test[name]))
    if not rows:
        return None
    title = f"Test {metric_title(name)} of each run's pick, with 95 % intervals"
    scores = "; ".join(f"{clip(label, 80)} {score_and_interval(name, bounds)}" for label, bounds in rows)
    return forest(title, name, [(for_figure(label, 28), bounds) for label, bounds in rows], scores + ".")


def _speed(runs: Named, name: str) -> Figure | None:
    points = []
    for place, (label, view) in enumerate(runs):
        pick, model = view.winner, view.chosen
        if (
            pick is not None
            and model is not None
            and name in model.test
            and isfinite(model.test[name].value)
            and (speed := view.cost(pick, "samples_per_second"))
        ):
            points.append((place, label, speed, model.test[name].value))
    if not points:
        return None
    speeds = [speed for _, _, speed, _ in points]
    pad = 0.25 * (max(speeds) - min(speeds) or max(speeds))
    data = [
        {
            "type": "scatter",
            "mode": "markers+text",
            "x": [speed],
            "y": [score],
            "text": [for_figure(label, 24)],
            "textposition": "top center",
            "cliponaxis": False,
            "marker": {"color": _color(place), "size": 12},
            "hovertemplate": f"{metric(name, score)} at {number(speed)} samples/s<extra></extra>",
        }
        for place, label, speed, score in points
    ]
    fastest = max(points, key=lambda point: point[2])
    return Figure(
        key="speed",
        title=f"Test {metric_title(name)} of each run's pick against its training speed",
        data=data,
        layout=layout(
            axis("steady training speed (samples/s)", range=[max(0.0, min(speeds) - pad), max(speeds) + pad]),
            score_axis(runs[0][1], name, "test "),
            legend=False,
        ),
        alt=f"{fastest[1]} trains fastest: {number(fastest[2])} samples/s.",
    )


def _over_time(runs: Named) -> Figure | None:
    data, durations = [], []
    for place, (label, view) in enumerate(runs):
        done = sorted((record for record in view.scored if record.ended_at), key=lambda record: record.ended_at)
        first = min((record.started_at for record in view.trials if record.started_at), default=0.0)
        if not done:
            continue
        best = running_best([view.score(record) for record in done], view.metric.maximize)
        ends = [(record.ended_at - first) / 60 for record in done]
        data.append(_line(label, place, ends, best.tolist(), "hv") | {"mode": "lines+markers"})
        durations.append(f"{label} searched for {duration(done[-1].ended_at - first)}")
    if not data:
        return None
    return Figure(
        key="over-time",
        title=f"Best validation {runs[0][1].score_name} so far, over the wall clock",
        data=data,
        layout=layout(axis("time since the first trial started (min)", rangemode="tozero"), score_axis(runs[0][1])),
        alt="; ".join(durations) + ".",
        note="A dot is the end of a trial; a pruned one counts with its best score.",
    )


def _over_trials(runs: Named) -> Figure | None:
    data: list[dict[str, Any]] = []
    most = 1
    for place, (label, view) in enumerate(runs):
        scores = [view.score(record) for record in view.scored]
        if len(scores) < 2:
            continue
        mean, low, high = expected_best(scores, view.metric.maximize)
        indices = np.unique(np.round(np.geomspace(1, len(scores), 60)).astype(int)) - 1
        x = [float(n) for n in indices + 1]
        most = max(most, len(scores))
        shade = band(x, low[indices].tolist(), high[indices].tolist(), for_figure(label, 28), _color(place))
        data.append({**shade, "showlegend": False, "opacity": 0.13})
        data.append(_line(label, place, x, mean[indices].tolist(), "linear"))
    if not data:
        return None
    return Figure(
        key="over-trials",
        title=f"Expected best validation {runs[0][1].score_name} against the number of trials",
        data=data,
        layout=layout(axis("number of trials", **log_ticks(1, most, whole=True)), score_axis(runs[0][1])),
        alt="Lines are expected, bands hold the middle 95 %: Dodge et al. 2019, as if trials were independent draws.",
    )


def _line(label: str, place: int, x: list[float], y: list[float], shape: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": for_figure(label, 28),
        "x": x,
        "y": [value if isfinite(value) else None for value in y],
        "line": {"color": _color(place), "width": 2.5, "shape": shape},
    }
