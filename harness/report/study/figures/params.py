"""Figures of the params: where good scores are, which params matter, and the score by each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.figures import (
    COLORS,
    RAMP,
    STATE_COLORS,
    Figure,
    axis,
    categories,
    columns,
    layout,
    log_ticks,
    score_axis,
    thin,
    trial_points,
)
from harness.report.kit.stats import FEWEST_TRIALS, importances
from harness.report.kit.text import capitalised, clip, for_figure, join, param, param_name, percent, plural
from harness.report.kit.view import View
from harness.report.study.equal_length import EqualLength, equal_length
from harness.report.study.tables import bin_middles, cells_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dots", "importance", "params_map", "slice_of"]

_MAX_RESAMPLED = 400
#: The params on which the number of steps depends that a trial has made at a rung.
_SETTING_STEPS = frozenset({"batch_size", "accumulation_steps", "epochs", "train_rows"})


def dots(view: View, records: list[TrialRecord], state: TrialState) -> dict[str, Any]:
    """The best scores of trials in one state, as points without places; of pruned ones with the share trained."""
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
        **({"text": [percent(record.reached, 0) for record in records]} if hollow else {}),
    }


def params_map(view: View) -> Figure | None:
    """The best completed trial by learning rate and batch size, with all trials as dots.

    None where the two did not vary, or no trial was completed.
    """
    if len(view.scored) < 8 or not view.completed or not {"learning_rate", "batch_size"} <= set(view.varied):
        return None
    cells = cells_frame(view, "learning_rate", "batch_size")
    is_completed = cells["number"].isin([record.number for record in view.completed])
    # Bins without a trial are kept: plotly would widen their neighbours over them.
    heights_of_cells = np.sort(cells["y_bin"].unique())
    middles = bin_middles(cells["x"], view.is_log("learning_rate"))
    by_cell = cells[is_completed].groupby(["y_bin", "x_bin"])["score"]
    best = (
        by_cell.agg("max" if view.metric.maximize else "min").unstack().reindex(index=heights_of_cells, columns=middles)
    )
    signed = best if view.metric.maximize else -best
    by_cell = cells[~is_completed].groupby(["y_bin", "x_bin"])["number"]
    endings = (
        by_cell.agg(lambda numbers: _ending(view, numbers))
        .unstack()
        .reindex(index=heights_of_cells, columns=middles)
        .where(best.isna())
    )
    heights = {value: place for place, value in enumerate(best.index)}
    few = len(best.columns) <= 8
    texts = [[view.score_text(value) if isfinite(value) else "" for value in row] for row in best.to_numpy()]
    heat = _heat_map(best, signed.to_numpy(), texts, RAMP, "best here", few)
    marks = [[text if isinstance(text, str) else "" for text in row] for row in endings.to_numpy()]
    num_marks = sum(text != "" for row in marks for text in row)
    grey = _heat_map(
        best, np.where(endings.notna(), 0.0, np.nan), marks, [COLORS["grid"]] * 2, "no completed trial here", few
    )
    # The dots lie below the text of a cell, in three rows, so that near ones do not overlap.
    y = [heights[row] - 0.28 - 0.06 * (number % 3) for row, number in zip(cells["y_bin"], cells["number"], strict=True)]
    records = [view.by_number[int(number)] for number in cells["number"]]
    points = {
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
    no_score = f" {plural(num_marks, 'cell')} without a completed trial: where the last one ended." if num_marks else ""
    return Figure(
        key="map",
        title="Where the good learning rates are, by batch size",
        data=[heat, *([grey] if num_marks else []), points],
        min_width=520,
        layout=layout(
            axis("learning rate", showgrid=False, **_number_ticks(view, "learning_rate")),
            axis("batch size", **rows, showgrid=False),
            max(360, 120 + 60 * len(best.index)),
            legend=False,
        ),
        alt=f"The best validation {view.score_name} of the completed trials in each cell; "
        f"the best {_is_or_are('cell', best_cells)}.{no_score} Dots are trials.",
        note=view.constraints_note,
    )


def _ending(view: View, numbers: Iterable[int]) -> str:
    """Where the last of some trials ended, none of which was completed: at a rung, or in a failure."""
    records = [view.by_number[int(number)] for number in numbers]
    pruned = [record.reached for record in records if record.state is TrialState.PRUNED]
    return f"pruned<br>at {percent(max(pruned), 0)}" if pruned else "failed"


def _heat_map(
    cells: pd.DataFrame, values: np.ndarray, texts: list[list[str]], colors: Sequence[str], hover: str, few: bool
) -> dict[str, Any]:
    """A heat map over the rows and columns of `cells`; the texts are written into the cells where these are few."""
    return {
        "type": "heatmap",
        "x": [float(x) for x in cells.columns],
        "y": list(range(len(cells.index))),
        "z": values.tolist(),
        "text": texts,
        "texttemplate": "%{text}" if few else "",
        "textfont": {"size": 11},
        "colorscale": [[place / (len(colors) - 1), color] for place, color in enumerate(colors)],
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
        "hovertemplate": f"{hover}: %{{text}}<extra></extra>",
    }


def _number_ticks(view: View, name: str) -> dict[str, Any]:
    """Ticks for a numeric param: logarithmic where it was searched on a logarithmic scale."""
    values = [view.number(record, name) for record in view.scored if name in record.params]
    return log_ticks(min(values), max(values)) if view.is_log(name) and min(values, default=0) > 0 else {}


def importance(view: View) -> Figure | None:
    """The importance of each param for reaching the best trials, with its uncertainty."""
    equal = equal_length(view, FEWEST_TRIALS)
    if equal is None:
        return None
    records = [view.by_number[number] for number in equal.metrics]
    step = max(1, -(-len(records) // _MAX_RESAMPLED))
    records = records[::step]
    params = [{name: record.params[name] for name in view.scored_params if name in record.params} for record in records]
    logs = [name for name in view.scored_params if view.is_log(name)]
    draws = 40 if len(records) <= 200 else 20  # keeps this below a second or so
    shares_by_name = importances(params, range(len(records)), logs, draws)
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
        f"(between {percent(low, 0)} and {percent(high, 0)} in most resamples of the trials)."
        f"{_other_steps(equal, list(shares_by_name))}",
        note=f"PED-ANOVA; bars are medians over {draws} bootstrap resamples of the trials, whiskers their middle 80 %. "
        f"They are the {_compared(equal)}." + (f" One in {step} trials was used." if step > 1 else ""),
    )


def _other_steps(equal: EqualLength, names: Sequence[str]) -> str:
    """What to make of params that set the number of steps, where trials had made different numbers at a rung."""
    setting = [param_name(name) for name in names if name in _SETTING_STEPS]
    low, high = equal.steps
    if equal.share == 1.0 or low == high or not setting:
        return ""
    what = "it has" if len(setting) == 1 else "they have"
    return (
        f" These trials had made different numbers of steps, set by {join(setting)}: what {what} of the importance may "
        "be that of the steps."
    )


def _compared(equal: EqualLength) -> str:
    """Which trials are compared, and by which score."""
    trials = plural(len(equal.metrics), "trial")
    if equal.share == 1.0:
        return f"{trials} that were completed, by their final scores"
    low, high = equal.steps
    steps = f" ({low:,} to {high:,} steps)" if low < high else ""
    trained = f"{trials} that were trained to {percent(equal.share, 0)}{steps}"
    return f"{trained}, by their scores there: fewer than {FEWEST_TRIALS} went further"


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
            points = dots(view, [record for _, record in pairs], state)
            data.append({**points, "x": [at for at, _ in pairs], "marker": {**points["marker"], "size": 6}})
    unused = f"{plural(absent, 'trial')} did not use it." if absent else ""
    return Figure(
        key=f"slice-{view.scored_params.index(name)}",
        title=f"{capitalised(view.score_name)} by {param_name(name)}",
        data=data,
        layout=layout(axis(for_figure(param_name(name)), **ticks), score_axis(view), 280, legend=False),
        alt=_slice_caption(view, data, levels),
        note=" ".join(text for text in (note, unused, view.constraints_note, view.first_seeds_note) if text),
    )


def _slice_caption(view: View, data: list[dict[str, Any]], levels: list[str]) -> str:
    """Where the best dots of completed trials are, and what the dots mean; `levels` are the names of 0, 1, 2 ..."""
    names = [trace["name"].split(" ")[0] for trace in data]
    rungs = sorted({text for trace in data for text in trace.get("text", ())}, key=lambda text: (len(text), text))
    meanings = {
        "completed": "full dots were completed",
        "pruned": f"open dots were pruned at the rungs of {_few(rungs, 4)} of the training",
        "failed": "crosses failed",
    }
    legend = ", ".join(meaning for name, meaning in meanings.items() if name in names)
    legend = f"{capitalised(legend)}."
    if "completed" not in names:
        return f"No trial was completed. {legend}"
    points = data[names.index("completed")]
    best = (max if view.metric.maximize else min)(points["y"])
    places = sorted({at for at, score in zip(points["x"], points["y"], strict=True) if score == best})
    at = list(dict.fromkeys(clip(levels[int(place)], 60) if levels else param(place) for place in places))
    of = f"best of {plural(len(points['y']), 'completed trial')}" if len(points["y"]) > 1 else "one completed trial"
    return f"The {of} {'is' if len(at) == 1 else 'are'} at {_few(at)}. {legend}"


def _is_or_are(noun: str, names: list[str]) -> str:
    """("cell", names) -> "cell is a", "cells are a and b"."""
    return f"{noun} is {names[0]}" if len(names) == 1 else f"{noun}s are {_few(names)}"


def _few(names: list[str], limit: int = 3) -> str:
    """The first names, and the number of the others."""
    more = len(names) - limit
    return join([*names[:limit], f"{more} more"] if more > 0 else names)
