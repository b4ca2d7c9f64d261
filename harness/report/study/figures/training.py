"""Figures of the training: learning curves, training speed, and score against speed and memory."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import Any

import numpy as np

from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.figures import (
    COLORS,
    STATE_COLORS,
    Figure,
    axis,
    categories,
    joined,
    layout,
    score_axis,
    thin,
    trial_points,
)
from harness.report.kit.stats import pareto_front
from harness.report.kit.text import clip, for_figure, join, metric, metric_title, plural
from harness.report.kit.view import View
from harness.report.study.figures.time import time_split, timeline

__all__ = ["training_figures"]

#: The names of curves by state, in the order in which they are drawn.
_TITLES = {
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "completed",
}
_MAX_CURVES = 300
_MAX_NAMED = 8


def training_figures(view: View) -> list[Figure]:
    """The figures of the training section that this study has numbers for."""
    figures = [*_curves(view), time_split(view), timeline(view), _throughput(view), *_fronts(view)]
    return [figure for figure in figures if figure is not None]


def _curves(view: View) -> list[Figure]:
    records, note = thin([record for record in view.ranked if record.history], _MAX_CURVES)
    if not records:
        return []
    scores, losses = (_curve_lines(view, records, name) for name in (view.objective, "train_loss"))
    score = Figure(
        key="curves",
        title=f"Learning curves: validation {view.score_name} of every trial",
        data=scores,
        layout=layout(axis("epoch", rangemode="tozero"), score_axis(view), 400),
        alt=_curves_caption(scores, f"of validation {view.score_name}"),
        note=note,
    )
    loss = Figure(
        key="losses",
        title="Learning curves: training loss of every trial",
        data=losses,
        layout=layout(axis("epoch", rangemode="tozero"), axis(view.train_loss_name), 400),
        alt=_curves_caption(losses, "of training loss"),
        note=note,
    )
    return [score, loss]


def _curves_caption(data: list[dict[str, Any]], of: str) -> str:
    """How many curves have a point, and how many end at a cross."""
    points = [
        (trace["mode"], number)
        for trace in data
        for number, y in zip(trace["customdata"], trace["y"], strict=True)
        if y is not None
    ]
    curves = len({number for mode, number in points if mode != "markers"})
    crosses = sum(mode == "markers" for mode, _ in points)
    ends = "was stopped early, at its cross" if crosses == 1 else "were stopped early, each at its cross"
    return f"{plural(curves, 'learning curve')} {of}" + (f"; {plural(crosses, 'trial')} {ends}." if crosses else ".")


def _value(record: TrialRecord, name: str) -> list[float | None]:
    values = [p.train_loss if name == "train_loss" else p.metrics.get(name) for p in record.history]
    return [value if value is not None and isfinite(value) else None for value in values]


def _curve_lines(view: View, records: list[TrialRecord], name: str) -> list[dict[str, Any]]:
    winner = view.winner
    data = []
    for state, title in _TITLES.items():
        lines = [r for r in records if r.state is state and (winner is None or r.number != winner.number)]
        if lines:
            data.append(_lines(lines, name, title, STATE_COLORS[state.value], 1.2, 0.55))
    pruned = [record for record in records if record.state is TrialState.PRUNED]
    if pruned:
        ends = {
            "type": "scatter",
            "mode": "markers",
            "name": "pruned here",
            "x": [record.history[-1].epoch for record in pruned],
            "y": [_value(record, name)[-1] for record in pruned],
            "marker": {"symbol": "x-thin", "size": 7, "line": {"color": COLORS["grey"], "width": 1.5}},
        }
        data.append({**ends, **trial_points(pruned)})
    if winner is not None and winner.history:
        word = "the winner" if view.results.final is not None else "the best so far"
        data.append(_lines([winner], name, f"trial {winner.number}, {word}", COLORS["orange"], 3, 1.0))
    return data


def _lines(
    records: list[TrialRecord], name: str, title: str, color: str, width: float, opacity: float
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": title,
        "x": joined([[progress.epoch for progress in record.history] for record in records]),
        "y": joined([_value(record, name) for record in records]),
        "line": {"color": color, "width": width},
        "marker": {"size": width + 2, "color": color},
        "opacity": opacity,
        **trial_points([]),
        "customdata": joined([[record.number] * len(record.history) for record in records]),
    }


def _throughput(view: View) -> Figure | None:
    records = [record for record in view.trials if record.usage.samples_per_second > 0]
    sizes = sorted({record.config.training.batch_size for record in records})
    if not records:
        return None
    visible, note = thin([record for record in view.ranked if record.usage.samples_per_second > 0], 600)
    several = len(view.checkpoints) > 1
    data: list[dict[str, Any]] = []
    medians: list[tuple[float, int, str]] = []
    for place, checkpoint in enumerate(view.checkpoints):
        own = [record for record in visible if view.checkpoint_of(record) == checkpoint]
        if not own:
            continue
        color = COLORS[("blue", "orange", "green", "purple", "yellow")[place % 5]]
        by_size = {
            size: [r.usage.samples_per_second for r in own if r.config.training.batch_size == size] for size in sizes
        }
        line = {size: float(np.median(speeds)) for size, speeds in by_size.items() if speeds}
        medians += [(speed, size, checkpoint) for size, speed in line.items()]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": for_figure(view.checkpoint_name(checkpoint), 32) if several else "median",
                "x": [sizes.index(size) for size in line],
                "y": list(line.values()),
                "line": {"color": color, "width": 2},
                "hovertemplate": "median %{y:.3s} samples/s<extra></extra>",
            }
        )
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "trials",
                "showlegend": not several,
                "x": [sizes.index(record.config.training.batch_size) for record in own],
                "y": [record.usage.samples_per_second for record in own],
                "marker": {"color": color, "size": 6, "opacity": 0.5},
                **trial_points(own),
            }
        )
    if not medians:
        return None
    speed, size, fastest = max(medians, key=lambda median: median[0])
    return Figure(
        key="throughput",
        title="Training speed by batch size",
        data=data,
        layout=layout(
            axis("batch size", **categories([str(size) for size in sizes])),
            axis("steady training speed (samples/s)", rangemode="tozero"),
        ),
        alt=f"Fastest at batch size {size}: {metric('samples_per_second', speed)} samples/s at the median"
        + (f", for {clip(view.checkpoint_name(fastest), 60)}." if several else "."),
        note=note,
    )


def _fronts(view: View) -> list[Figure]:
    """Score against speed and memory, and the study's own objectives when it has several."""
    seconds = dict.fromkeys([*view.objectives[1:], "samples_per_second", "peak_memory_mib"])
    return [figure for name in seconds if (figure := _front(view, name)) is not None]


def _front(view: View, other: str) -> Figure | None:
    records = [record for record in view.completed if isfinite(view.mean(record, other))]
    points = np.array([[view.mean(r, other), view.mean(r)] for r in records]).reshape(-1, 2)
    if len(records) < 2 or np.ptp(points[:, 0]) == 0:
        return None
    metrics = [view.task.metric(other), view.metric]
    compared = [[metric.compared(value) for metric, value in zip(metrics, point, strict=True)] for point in points]
    beyond = [bool(view.rows[record.number].violates) for record in records]
    best = pareto_front(np.where(np.array(beyond)[:, None], nan, compared), [metric.maximize for metric in metrics])
    order = np.argsort(points[best][:, 0])
    on = [record for record, is_on in zip(records, best, strict=True) if is_on]
    off = [record for record, is_on in zip(records, best, strict=True) if not is_on]
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers+text",
        "name": "not beaten in both (front)",
        "text": [str(on[i].number) for i in order] if len(on) <= _MAX_NAMED else None,
        "textposition": "top center",
        "textfont": {"size": 12, "color": COLORS["ink"]},
        "cliponaxis": False,
        "x": points[best][order, 0].tolist(),
        "y": points[best][order, 1].tolist(),
        "line": {"color": COLORS["orange"], "width": 2, "dash": "dot"},
        "marker": {"color": COLORS["orange"], "size": 10},
        **trial_points([on[i] for i in order]),
    }
    dots: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "other completed trials",
        "x": points[~best, 0].tolist(),
        "y": points[~best, 1].tolist(),
        "marker": {"color": COLORS["blue"], "size": 7, "opacity": 0.6},
        **trial_points(off),
    }
    name = metric_title(other)
    kept = " that meet the constraints" if view.is_constrained else ""
    return Figure(
        key=f"front-{other}",
        title=f"Validation {view.score_name} against {name}: the trials that no other beats in both",
        data=[dots, line],
        layout=layout(
            _cost_axis(view, other),
            _around(score_axis(view), points[:, 1]),
        ),
        alt=f"{plural(len(on), 'trial')} of {len(records) - sum(beyond):,} completed ones{kept} on the Pareto front: "
        + join(str(record.number) for record in on[:8])
        + (" ..." if len(on) > 8 else "")
        + ".",
    )


def _around(axis_layout: dict[str, Any], values: np.ndarray) -> dict[str, Any]:
    """The axis, with a range around points that all have one value: plotly would show half a unit around it."""
    middle = float(values[0])
    if np.ptp(values):
        return axis_layout
    most = axis_layout.get("autorangeoptions", {}).get("clipmax", inf)
    return {**axis_layout, "range": [middle - 0.2 * abs(middle or 1), min(most, middle + 0.2 * abs(middle or 1))]}


_COSTS = {
    "samples_per_second": "steady training speed (samples/s)",
    "tokens_per_second": "steady training speed (tokens/s)",
    "predicted_samples_per_second": "prediction speed in evaluations (samples/s)",
    "peak_memory_mib": "peak memory (MiB)",
}


def _cost_axis(view: View, name: str) -> dict[str, Any]:
    return axis(_COSTS[name]) if name in _COSTS else score_axis(view, name)
