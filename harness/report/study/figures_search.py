"""Figures of the search: score by trial, expected best score, and the effect of the params."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.figures import (
    COLORS,
    RAMP,
    STATE_COLORS,
    Figure,
    axis,
    band,
    categories,
    columns,
    layout,
    log_ticks,
    score_axis,
    thin,
    trial_points,
    whole_ticks,
)
from harness.report.kit.stats import expected_best, importances, running_best
from harness.report.kit.text import capitalised, clip, for_figure, join, param, param_name, percent, plural
from harness.report.kit.view import View
from harness.report.study.figures_parallel import parallel
from harness.report.study.tables import bin_middles, cells_frame

__all__ = ["search_figures"]

_MAX_RESAMPLED = 400


def search_figures(view: View) -> list[Figure]:
    """The figures of the search section that this study has numbers for."""
    if not view.scored:
        return []
    figures = [history(view), best_of_n(view), parallel(view), params_map(view), importance(view)]
    figures += [slice_of(view, name) for name in view.scored_params]
    return [figure for figure in figures if figure is not None]


def history(view: View) -> Figure:
    """The score of every trial by number, and the best score so far."""
    data = []
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        records = [record for record in view.scored if record.state is state]
        if records:
            data.append(_dots(view, records, state))
    finished = view.completed
    best = running_best([view.score(record) for record in finished], view.metric.maximize)
    numbers = [record.number for record in finished]
    last = max(record.number for record in view.trials)
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [*numbers, last] if numbers else [],
            "y": [*best.tolist(), best[-1]] if numbers else [],
            "line": {"color": COLORS["orange"], "width": 2.5, "shape": "hv"},
            "hovertemplate": f"best so far: %{{y:{view.score_format}}}<extra></extra>",
        }
    )
    ends = [-0.02 * last - 0.5, 1.02 * last + 0.5]
    data += _baseline_line(view, ends)
    outcome = f"the best completed trial reaches {view.score_text(best[-1])}" if numbers else "no trial was completed"
    failed = sum(record.state is TrialState.FAIL for record in view.scored)
    return Figure(
        key="history",
        title=f"Validation {view.score_name} of every trial, and the best so far",
        data=data,
        layout=layout(
            axis("trial number", range=ends, **whole_ticks(last)),
            score_axis(view),
            400,
        ),
        alt=f"{plural(len(view.scored), 'trial')} in the order they started: {outcome}"
        + (f"; {failed} of them failed." if failed else "."),
        note=_without_point(view),
    )


def _without_point(view: View) -> str:
    """The note about the trials that have no point."""
    drawn = {record.number for record in view.scored}
    left_out = [record for record in view.trials if record.number not in drawn]
    failed = sum(record.state is TrialState.FAIL for record in left_out)
    others = len(left_out) - failed
    parts = [
        *([f"{plural(failed, 'trial')} that failed without a score"] if failed else []),
        *([f"{plural(others, 'trial')} without a score or not ended"] if others else []),
    ]
    return f"Without a point: {join(parts)}." if parts else ""


def _dots(view: View, records: list[TrialRecord], state: TrialState) -> dict[str, Any]:
    color = STATE_COLORS[state.value]
    hollow = state is TrialState.PRUNED
    return {
        "type": "scatter",
        "mode": "markers",
        "name": {"COMPLETE": "completed", "PRUNED": "pruned (best score)", "FAIL": "failed (best score)"}[state.value],
        "x": [record.number for record in records],
        "y": [view.score(record) for record in records],
        "marker": {
            "color": color,
            "size": 8 if len(view.scored) < 300 else 5,
            "symbol": "circle-open" if hollow else "x-thin" if state is TrialState.FAIL else "circle",
            "line": {"color": color, "width": 1.5 if hollow or state is TrialState.FAIL else 0},
        },
        **trial_points(records),
    }


def _baseline_line(view: View, x: list[float]) -> list[dict[str, Any]]:
    if not isfinite(view.baseline_score):
        return []
    line = {"color": COLORS["purple"], "width": 1.5, "dash": "dash"}
    score = view.score_text(view.baseline_score)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "baseline",
            "x": x,
            "y": [view.baseline_score] * 2,
            "line": line,
            "hovertemplate": f"baseline: {score}<extra></extra>",
        }
    ]


def best_of_n(view: View) -> Figure | None:
    """The best score that n trials would be expected to reach, with the band of its middle 95 %."""
    records = view.scored
    if len(records) < 2:
        return None
    scores = [view.score(record) for record in records]
    mean, low, high = expected_best(scores, view.metric.maximize)
    half = (len(scores) + 1) // 2
    # The half is among the points of the line, because the caption names its score.
    indices = np.unique([half, *np.round(np.geomspace(1, len(scores), 80)).astype(int)]) - 1
    x = (indices + 1).tolist()
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "expected best",
        "x": x,
        "y": mean[indices].tolist(),
        "line": {"color": COLORS["blue"], "width": 2.5},
        "hovertemplate": f"best of %{{x}} trials: %{{y:{view.score_format}}} expected<extra></extra>",
    }
    data = [band(x, low[indices].tolist(), high[indices].tolist(), "middle 95 %", COLORS["sky"]), line]
    data += _baseline_line(view, [1, len(scores)])
    return Figure(
        key="expected-best",
        title=f"Expected best validation {view.score_name} against the number of trials",
        data=data,
        layout=layout(axis("number of trials", **log_ticks(1, len(scores), whole=True)), score_axis(view)),
        alt=f"With {plural(half, 'trial')} the best would be {view.score_text(mean[half - 1])} on average, "
        f"with all {len(scores):,} of them {view.score_text(mean[-1])}.",
        note="The average best of so many trials, if each were drawn independently of the others (Dodge et al. 2019); "
        "a pruned trial counts with its best score.",
    )


def params_map(view: View) -> Figure | None:
    """The best score by learning rate and batch size, with the trials as dots; None where the two did not vary."""
    if len(view.scored) < 8 or not {"learning_rate", "batch_size"} <= set(view.varied):
        return None
    cells = cells_frame(view, "learning_rate", "batch_size")
    best = cells.groupby(["y_bin", "x_bin"])["score"].agg("max" if view.metric.maximize else "min").unstack()
    # Bins without a trial are kept: plotly would widen their neighbours over them.
    best = best.reindex(columns=bin_middles(cells["x"], view.is_log("learning_rate")))
    heights = {value: place for place, value in enumerate(best.index)}
    signed = best if view.metric.maximize else -best
    heat = {
        "type": "heatmap",
        "x": [float(x) for x in best.columns],
        "y": list(heights.values()),
        "z": signed.to_numpy().tolist(),
        "text": [[view.score_text(value) if isfinite(value) else "" for value in row] for row in best.to_numpy()],
        "texttemplate": "%{text}" if len(best.columns) <= 8 else "",
        "textfont": {"size": 11},
        "colorscale": [[i / (len(RAMP) - 1), color] for i, color in enumerate(RAMP)],
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
        "hovertemplate": "best here: %{text}<extra></extra>",
    }
    # The dots lie below the text of a cell, in three rows, so that near ones do not overlap.
    y = [heights[row] - 0.28 - 0.06 * (number % 3) for row, number in zip(cells["y_bin"], cells["number"], strict=True)]
    records = [view.by_number[int(number)] for number in cells["number"]]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": cells["x"].tolist(),
        "y": y,
        "marker": {"color": COLORS["paper"], "size": 6, "line": {"color": COLORS["ink"], "width": 1}},
        **trial_points(records),
        "hovertemplate": "trial %{customdata}<extra></extra>",
    }
    rows = categories([param(int(value) if value == int(value) else value) for value in best.index])
    rates = [param(float(rate)).replace("-", "\u2011") for rate in best.columns]  # not to be broken between lines
    highest = np.argwhere(signed.to_numpy() == np.nanmax(signed.to_numpy()))
    best_cells = [f"learning rate about {rates[x]} with batch size {rows['ticktext'][y]}" for y, x in highest]
    return Figure(
        key="map",
        title="Where the good learning rates are, by batch size",
        data=[heat, dots],
        min_width=520,
        layout=layout(
            axis("learning rate", showgrid=False, **_number_ticks(view, "learning_rate")),
            axis("batch size", **rows, showgrid=False),
            max(360, 120 + 60 * len(best.index)),
            legend=False,
        ),
        alt=f"The best validation {view.score_name} of each cell; "
        f"the best {_is_or_are('cell', best_cells)}. Dots are trials.",
    )


def _number_ticks(view: View, name: str) -> dict[str, Any]:
    """Ticks for a numeric param: logarithmic where it was searched on a logarithmic scale."""
    values = [view.number(record, name) for record in view.scored if name in record.params]
    return log_ticks(min(values), max(values)) if view.is_log(name) and min(values, default=0) > 0 else {}


def importance(view: View) -> Figure | None:
    """The importance of each param for reaching the best trials, with its uncertainty."""
    records = view.ranked_scored
    step = max(1, -(-len(records) // _MAX_RESAMPLED))
    places = {record.number: float(place) for place, record in enumerate(records)}
    records = records[::step]
    params = [{name: record.params[name] for name in view.scored_params if name in record.params} for record in records]
    logs = [name for name in view.scored_params if view.is_log(name)]
    draws = 40 if len(records) <= 200 else 20  # keeps this below a second or so
    shares_by_name = importances(params, [places[record.number] for record in records], logs, draws)
    if not shares_by_name:
        return None
    names, shares = list(shares_by_name)[::-1], list(shares_by_name.values())[::-1]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [share[0] for share in shares],
        "y": list(range(len(names))),
        "marker": {"color": COLORS["blue"]},
        "width": 0.6,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - middle for middle, _, high in shares],
            "arrayminus": [middle - low for middle, low, _ in shares],
            "color": COLORS["ink"],
            "thickness": 1.5,
        },
        "hovertemplate": "%{x:.0%}<extra></extra>",
    }
    first, (share, low, high) = next(iter(shares_by_name.items()))
    return Figure(
        key="importance",
        title="Which param decides whether a trial is among the best",
        data=[bars],
        layout=layout(
            axis("share of the importance (%)", tickformat=".0%", rangemode="tozero"),
            axis("", **categories([for_figure(param_name(name), 24) for name in names]), showgrid=False),
            max(360, 140 + 34 * len(names)),
            legend=False,
        ),
        alt=f"{capitalised(param_name(first))} has {percent(share, 0)} of the importance "
        f"(between {percent(low, 0)} and {percent(high, 0)} in most resamples of the trials).",
        note=f"PED-ANOVA; bars are medians over {draws} bootstrap resamples of the trials, whiskers their middle 80 %. "
        "Pruned trials rank by how far they came." + (f" One in {step} trials was used." if step > 1 else ""),
    )


def slice_of(view: View, name: str) -> Figure:
    """The score by one param."""
    records = [record for record in view.scored if name in record.params]
    visible, note = thin([record for record in view.ranked_scored if name in record.params], 600)
    absent = len(view.scored) - len(records)
    levels: list[str] = []
    if view.is_number(name):
        ticks = _number_ticks(view, name)
        few = sorted({view.number(record, name) for record in records})
        if view.is_listed(name):
            levels = [param(value) for value in few]
            ticks = columns(levels)
            x = [float(few.index(view.number(record, name))) for record in visible]
        else:
            x = [view.number(record, name) for record in visible]
    else:
        values = sorted({param(record.params[name]) for record in records})
        levels = [view.checkpoint_name(value) if name == "checkpoint" else value for value in values]
        ticks = columns([for_figure(level, 18) for level in levels])
        x = [float(values.index(param(record.params[name]))) for record in visible]
    data = []
    for state in (TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE):
        pairs = [(at, record) for at, record in zip(x, visible, strict=True) if record.state is state]
        if pairs:
            dots = _dots(view, [record for _, record in pairs], state)
            data.append({**dots, "x": [at for at, _ in pairs], "marker": {**dots["marker"], "size": 6}})
    return Figure(
        key=f"slice-{view.scored_params.index(name)}",
        title=f"{capitalised(view.score_name)} by {param_name(name)}",
        data=data,
        layout=layout(axis(for_figure(param_name(name)), **ticks), score_axis(view), 280, legend=False),
        alt=_slice_caption(view, data, levels),
        note=" ".join([note, f"{plural(absent, 'trial')} did not use it." if absent else ""]).strip(),
    )


def _slice_caption(view: View, data: list[dict[str, Any]], levels: list[str]) -> str:
    """Where the best dots of completed trials are, and what the dots mean; `levels` are the names of 0, 1, 2 ..."""
    names = [trace["name"].split(" ")[0] for trace in data]
    meanings = {"completed": "full dots were completed", "pruned": "open dots were pruned", "failed": "crosses failed"}
    legend = ", ".join(meaning for name, meaning in meanings.items() if name in names)
    legend = f"{capitalised(legend)}."
    if "completed" not in names:
        return f"No trial was completed. {legend}"
    dots = data[names.index("completed")]
    best = min(dots["y"], key=view.metric.sort_key)
    places = sorted({at for at, score in zip(dots["x"], dots["y"], strict=True) if score == best})
    at = list(dict.fromkeys(clip(levels[int(place)], 60) if levels else param(place) for place in places))
    of = f"best of {plural(len(dots['y']), 'completed trial')}" if len(dots["y"]) > 1 else "one completed trial"
    return f"The {of} {'is' if len(at) == 1 else 'are'} at {_few(at)}. {legend}"


def _is_or_are(noun: str, names: list[str]) -> str:
    """("cell", names) -> "cell is a", "cells are a and b"."""
    return f"{noun} is {names[0]}" if len(names) == 1 else f"{noun}s are {_few(names)}"


def _few(names: list[str], limit: int = 3) -> str:
    """The first names, and the number of the others."""
    more = len(names) - limit
    return join([*names[:limit], f"{more} more"] if more > 0 else names)
