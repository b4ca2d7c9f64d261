"""Figures of time: the parts of each trial's wall time, and the trials of each slot over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.report.kit.figures import COLORS, Figure, axis, categories, layout, whole_ticks
from harness.report.kit.text import duration, join, percent, plural
from harness.report.kit.view import View
from harness.report.study.tables import PARTS, slot_use, spans_frame, time_frame, wall_s

__all__ = ["time_split", "timeline"]

_MAX_BARS = 120
_MAX_SPANS = 3000
_PART_COLORS = dict(zip((*PARTS, "other"), ("purple", "yellow", "blue", "green", "orange", "faint"), strict=True))


def time_split(view: View) -> Figure | None:
    """The seconds of each part of each search trial's wall clock, one bar a trial."""
    every = time_frame(view)
    frame = every[every["kind"] == "search"]
    if frame.empty:
        return None
    parts = [
        part for part in (*PARTS, "other") if frame[part].sum() > 0.002 * frame[[*PARTS, "other"]].to_numpy().sum()
    ]
    totals = frame[parts].sum()
    shares = (totals / totals.sum()).sort_values(ascending=False)
    search = frame[["number", *parts]].sort_values("number", ignore_index=True)
    size = max(1, -(-len(search) // _MAX_BARS))
    grouped = search.groupby(np.arange(len(search)) // size)
    means, x = grouped.mean(), grouped["number"].min()
    data = [
        {
            "type": "bar",
            "name": _PART_NAMES[part],
            "x": x.tolist(),
            "y": means[part].tolist(),
            "marker": {"color": COLORS[_PART_COLORS[part]], "line": {"width": 0}},
            "hovertemplate": f"{_PART_NAMES[part]}: %{{y:.3s}} s<extra>trial %{{x}}</extra>",
        }
        for part in parts
    ]
    parts_text = join(
        f"{_PART_NAMES[str(part)]} {percent(share, 0)}" for part, share in shares.items() if share >= 0.005
    )
    return Figure(
        key="time",
        title="Where the time went",
        data=data,
        layout=layout(
            axis("trial number", **whole_ticks(len(view.trials)), showgrid=False),
            axis("time on a slot (s)", rangemode="tozero"),
            380,
            barmode="stack",
            bargap=0.15,
        ),
        alt=f"Of {duration(float(totals.sum()))} that the search trials spent on slots: {parts_text}.",
        note=" ".join([*([f"Each bar is the mean of {size} trials."] if size > 1 else []), *_confirmation(every)]),
    )


def _confirmation(frame: pd.DataFrame) -> list[str]:
    """A sentence on the time of the confirmation runs, which have no bar."""
    seconds = frame[frame["kind"] == "confirm"][[*PARTS, "other"]].to_numpy().sum()
    return [f"The confirmation runs, not shown, took {duration(float(seconds))} more."] if seconds else []


_PART_NAMES = {
    "start": "start",
    "data": "data",
    "step": "training step",
    "evaluation": "evaluation",
    "saving": "saving",
    "other": "outside the trial",
}


def timeline(view: View) -> Figure | None:
    """The trials of each slot over time; gaps are idle time."""
    spans = spans_frame(view)
    if spans.empty:
        return None
    total = wall_s(view)
    busy = slot_use(spans, total)
    unit, size = ("s", 1.0) if total < 180 else ("min", 60.0) if total < 3 * 3600 else ("h", 3600.0)
    slots = sorted(spans["slot"].unique())
    note, gaps = "", " (the gaps)"
    if len(spans) > _MAX_SPANS:
        note = f"Shown are the {_MAX_SPANS:,} longest of {len(spans):,} stretches of work."
        gaps = ""  # there are more gaps than idle time
        spans = spans.assign(length=spans["end_s"] - spans["start_s"]).nlargest(_MAX_SPANS, "length")
    rows = {slot: place for place, slot in enumerate(slots)}
    group = np.where(spans["kind"] == "confirm", "confirm", spans["state"])
    data = []
    for key, (name, color) in _GROUPS.items():
        part = spans[group == key]
        if len(part):
            data.append(_bars(part, rows, size, name, COLORS[color]))
    return Figure(
        key="timeline",
        title="Which slot ran which trial, and when",
        data=data,
        layout=layout(
            axis(f"time in search and confirmation ({unit})", range=[0, total / size]),
            axis("", **categories([f"slot {slot}" for slot in slots]), showgrid=False, autorange="reversed"),
            130 + 34 * len(slots) if len(slots) <= 24 else 130 + 900 * len(slots) // (len(slots) + 10),
            barmode="overlay",
        ),
        alt=f"{plural(len(slots), 'slot')} over {duration(total)}: busy {percent(busy, 0)} of the time, "
        f"idle {percent(1 - busy, 0)}{gaps}.",
        note=note,
        wide=True,
    )


_GROUPS = {
    "COMPLETE": ("completed", "blue"),
    "PRUNED": ("pruned", "grey"),
    "FAIL": ("failed", "red"),
    "RUNNING": ("running", "green"),
    "confirm": ("confirmation", "purple"),
}


def _bars(spans: pd.DataFrame, rows: dict[int, int], size: float, name: str, color: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "base": (spans["start_s"] / size).tolist(),
        "x": ((spans["end_s"] - spans["start_s"]) / size).tolist(),
        "y": [rows[slot] for slot in spans["slot"]],
        "width": 0.72,
        "marker": {"color": color, "line": {"color": COLORS["paper"], "width": 0.5 if len(spans) > 300 else 1}},
        "customdata": spans["number"].tolist(),
        "meta": "trials" if name != "confirmation" else "confirmation",
        "hovertemplate": f"{name} trial %{{customdata}}<extra></extra>"
        if name != "confirmation"
        else "confirmation run %{customdata}<extra></extra>",
    }
