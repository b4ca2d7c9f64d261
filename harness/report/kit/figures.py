"""The type of a figure, and the layout, axes and colours that all figures share.

A figure is plain data until the page or a notebook draws it. Foreign text in it must be escaped by
`harness.report.kit.text.for_figure`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from harness.records.schema import TrialRecord
from harness.report.kit.text import param
from harness.report.kit.view import View

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "COLORS",
    "DARK",
    "DARK_RAMP",
    "RAMP",
    "STATE_COLORS",
    "Figure",
    "axis",
    "band",
    "categories",
    "columns",
    "joined",
    "layout",
    "log_ticks",
    "score_axis",
    "thin",
    "trial_points",
    "whole_ticks",
]

COLORS = {
    "blue": "#0b6bb5",
    "orange": "#d9580b",
    "green": "#0a8a68",
    "purple": "#a04f9c",
    "yellow": "#c98a00",
    "sky": "#4aa3df",
    "grey": "#7b8794",
    "red": "#b3261e",
    "ink": "#1b2733",
    "faint": "#c3ccd6",
    "grid": "#e6eaef",
    "paper": "#ffffff",
    "plate": "rgba(255,255,255,0.75)",
}
"""Okabe and Ito's colour-blind-safe set, darkened to at least 3:1 on white."""

DARK = {
    "blue": "#5db3f0",
    "orange": "#ff8f4d",
    "green": "#35c79c",
    "purple": "#d98bd5",
    "yellow": "#f0bd45",
    "sky": "#9ad2f7",
    "grey": "#95a1af",
    "red": "#ff7b72",
    "ink": "#e6ebf1",
    "faint": "#48535f",
    "grid": "#27303a",
    "paper": "#161c23",
    "plate": "rgba(22,28,35,0.75)",
}
"""The same colours on a dark page; the page swaps one set for the other."""

RAMP = ("#dfeaf5", "#b9d4ec", "#8ab9df", "#559bd0", "#2679b8", "#0b589b", "#083b73")
"""A colour scale from low to high in one hue: the order shows by lightness alone, also to the colour-blind."""

DARK_RAMP = ("#1d2c3b", "#1f4363", "#235f8e", "#2f7fba", "#559fd6", "#8cc2ec", "#cfe7fb")

STATE_COLORS = {
    "COMPLETE": COLORS["blue"],
    "PRUNED": COLORS["grey"],
    "FAIL": COLORS["red"],
    "RUNNING": COLORS["green"],
    "WAITING": COLORS["green"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure before it is drawn.

    `alt` describes what it shows; it is the alternative text and the caption. `note` says what was left out.
    """

    key: str
    title: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    alt: str
    note: str = ""
    wide: bool = False
    min_width: int = 0
    """In pixels; on a narrower page the figure scrolls sideways."""

    def plotly(self) -> go.Figure:
        """The figure for a notebook."""
        import plotly.graph_objects as go

        title = {"text": self.title, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 12}}
        layout = {**self.layout, "title": title, "margin": {**self.layout["margin"], "t": 60}}
        return go.Figure(data=list(self.data), layout=layout)


def layout(
    x: Mapping[str, Any], y: Mapping[str, Any], height: int = 360, *, legend: bool = True, **more: Any
) -> dict[str, Any]:
    """The plotly layout that all figures share."""
    return {
        "xaxis": dict(x),
        "yaxis": dict(y),
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 12, "color": COLORS["ink"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"bgcolor": COLORS["paper"], "bordercolor": COLORS["faint"], "font": {"color": COLORS["ink"]}},
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": COLORS["faint"], "activecolor": COLORS["grey"]},
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "itemwidth": 30,
            "traceorder": "normal",
        },
        **more,
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title that names its unit."""
    return {
        "title": {"text": title, "standoff": 10},
        "automargin": True,
        "gridcolor": COLORS["grid"],
        "linecolor": COLORS["faint"],
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": COLORS["faint"],
        "ticklen": 4,
        **more,
    }


def categories(labels: Sequence[str]) -> dict[str, Any]:
    """Ticks for categories at 0, 1, 2 ...: plotly would read some labels as numbers or dates.

    The angle is fixed: plotly's own choice drops labels that do not fit, and then writes an error to the console.
    """
    return {
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "type": "linear",
        "tickangle": 0,
        "ticklabeloverflow": "allow",
    }


def whole_ticks(highest: int) -> dict[str, Any]:
    """Ticks of an axis of whole numbers up to `highest`, ten or fewer: plotly's own stand at fractions of a trial."""
    steps = (mark * 10**power for power in range(10) for mark in (1, 2, 5))
    return {"tick0": 0, "dtick": next(step for step in steps if highest <= 10 * step), "tickformat": ",d"}


def log_ticks(low: float, high: float, *, whole: bool = False) -> dict[str, Any]:
    """Ticks of a logarithmic axis at round numbers, written as people write them: 3e-5, 50. `whole` leaves out 1.5."""
    powers = range(floor(log10(low)) - 1, ceil(log10(high)) + 1)
    narrow = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if high / low < 4 else (1, 2, 5)
    marks = narrow if high / low < 20 else (1, 3) if high / low < 3000 else (1,)
    ticks = [mark * 10.0**power for power in powers for mark in marks]
    visible = [tick for tick in ticks if low * 0.99 <= tick <= high * 1.01 and not (whole and tick % 1)]
    texts = [param(tick) if high < 10 else f"{tick:,g}" for tick in visible]
    return {"type": "log", "tickmode": "array", "tickvals": visible, "ticktext": texts}


def band(x: Sequence[float], low: Sequence[float], high: Sequence[float], name: str, color: str) -> dict[str, Any]:
    """A shaded band between two lines."""
    return {
        "type": "scatter",
        "x": [*x, *reversed(x)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "fillcolor": color,
        "opacity": 0.22,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "mode": "lines",
        "name": name,
    }


def columns(labels: Sequence[str]) -> dict[str, Any]:
    """`categories` for an x axis: long labels are slanted."""
    fits = max(map(len, labels), default=0) <= 42 // max(1, len(labels))
    return {**categories(labels), "tickangle": 0 if fits else -35}


def joined(lines: Sequence[Sequence[Any]]) -> list[Any]:
    """Several lines as one: their points one after the other, with a gap between two lines."""
    chain: list[Any] = []
    for points in lines:
        chain += [*points, None]
    return chain


def score_axis(view: View, metric: str | None = None, prefix: str = "validation ") -> dict[str, Any]:
    """An axis for a metric, in percent where that is its form."""
    definition = view.task.metric(metric or view.objective)
    unit, title = definition.unit, definition.title
    if definition.percent:
        # Without the bounds plotly draws one single value in the middle of -50 to 150 %.
        bounds = {"clipmin": -0.01, "clipmax": 1.01}
        return axis(f"{prefix}{title} (%)", tickformat=".3~%", autorangeoptions=bounds)
    return axis(f"{prefix}{title} ({unit})" if unit and unit not in ("1/s",) else f"{prefix}{title}", tickformat="~g")


def trial_points(records: Sequence[TrialRecord]) -> dict[str, Any]:
    """The keys that link points to trials: the page shows a trial's params on hover, and opens the trial on a click."""
    return {
        "customdata": [record.number for record in records],
        "meta": "trials",
        "hovertemplate": "trial %{customdata}: %{y}<extra></extra>",
    }


def thin(ranked: Sequence[TrialRecord], limit: int) -> tuple[list[TrialRecord], str]:
    """Returns at most `limit` trials, half of them the best and the rest evenly, and a note if any is left out."""
    if len(ranked) <= limit:
        return list(ranked), ""
    best, rest = list(ranked[: limit // 2]), ranked[limit // 2 :]
    kept = limit - len(best)
    best += [rest[i * len(rest) // kept] for i in range(kept)]
    return (
        best,
        f"Shown are {limit:,} of {len(ranked):,} trials: the best {limit // 2:,} and every so many of the others.",
    )
