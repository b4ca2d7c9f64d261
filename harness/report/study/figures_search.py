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
from harness.report.kit.text import clip, for_figure, param, param_name, percent, plural
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
    failed = sum(record.state is TrialState.FAIL for record in view.trials)
    left_out = sum(record.state is TrialState.FAIL and record not in view.scored for record in view.trials)
    return Figure(
        key="history",
        title=f"Validation {view.score_name} of every trial, and the best so far",
        data=data,
        layout=layout(
            axis("trial number", range=ends, **whole_ticks(last)),
            score_axis(view),
            400,
        ),
        alt=f"{plural(len(view.trials), 'trial')} in the order they started: {outcome}"
        + (f"; {plural(failed, 'trial')} failed." if failed else "."),
        note=f"{plural(left_out, 'trial')} failed before the first evaluation and have no point." if left_out else "",
    )


def _dots(view: View, records: list[TrialRecord], state: TrialState) -> dict[str, Any]:
    color = STATE_COLORS[state.value]
    hollow = state is TrialState.PRUNED
    return {
        "type": "scatter",
        "mode": "markers",
        "name": {"COMPLETE": "completed", "PRUNED": "pruned (last score)", "FAIL": "failed (last score)"}[state.value],
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
    indices = np.unique(np.round(np.geomspace(1, len(scores), 80)).astype(int)) - 1
    x = (indices + 1).tolist()
    half = mean[(len(mean) + 1) // 2 - 1]
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
        alt=f"With half of the trials the best would be {view.score_text(half)} on average, "
        f"with all {len(scores):,} of them {view.score_text(mean[-1])}.",
        note="Dodge et al. 2019: as if the trials were independent draws; a pruned trial counts with its last score.",
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
    row, column = divmod(int(np.nanargmax(signed.to_numpy())), len(best.columns))
    rate = param(float(best.columns[column])).replace("-", "\u2011")  # not to be broken between lines
    best_cell = f"learning rate about {rate} with batch size {param(float(best.index[row]))}"
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
        alt=f"The best validation {view.score_name} of each cell; the best cell is {best_cell}. Dots are trials.",
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
        alt=f"{param_name(first).capitalize()} has {percent(share, 0)} of the importance "
        f"(between {percent(low, 0)} and {percent(high, 0)} in most resamples of the trials).",
        note=f"PED-ANOVA; bars are medians over {draws} bootstrap resamples of the trials, whiskers their middle 80 %. "
        "Pruned trials rank by how far they came." + (f" One in {step} trials was used." if step > 1 else ""),
    )


def slice_of(view: View, name: str) -> Figure:
    """The score by one param."""
    records = [record for record in view.scored if name in record.params]
    visible, note = thin([record for record in view.ranked_scored if name in record.params], 600)
    absent = len(view.scored) - len(records)
    best = next(record for record in view.ranked_scored if name in record.params)
    if view.is_number(name):
        ticks = _number_ticks(view, name)
        few = sorted({view.number(record, name) for record in records})
        if view.is_listed(name):
            ticks = columns([param(value) for value in few])
            x = [float(few.index(view.number(record, name))) for record in visible]
        else:
            x = [view.number(record, name) for record in visible]
    else:
        levels = sorted({param(record.params[name]) for record in records})
        named = [view.checkpoint_name(level) if name == "checkpoint" else level for level in levels]
        ticks = columns([for_figure(level, 18) for level in named])
        x = [float(levels.index(param(record.params[name]))) for record in visible]
    data = []
    for state in (TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE):
        pairs = [(at, record) for at, record in zip(x, visible, strict=True) if record.state is state]
        if pairs:
            dots = _dots(view, [record for _, record in pairs], state)
            data.append({**dots, "x": [at for at, _ in pairs], "marker": {**dots["marker"], "size": 6}})
    return Figure(
        key=f"slice-{view.scored_params.index(name)}",
        title=f"{view.score_name.capitalize()} by {param_name(name)}",
        data=data,
        layout=layout(axis(for_figure(param_name(name)), **ticks), score_axis(view), 280, legend=False),
        alt=f"The best of {plural(len(records), 'trial')} is at {clip(_value(view, best, name), 60)}. "
        "Full dots were completed, open ones pruned.",
        note=" ".join([note, f"{plural(absent, 'trial')} did not use it." if absent else ""]).strip(),
    )


def _value(view: View, record: TrialRecord, name: str) -> str:
    return view.checkpoint_name(str(record.params[name])) if name == "checkpoint" else param(record.params[name])
