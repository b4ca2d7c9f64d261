"""The figure of parallel coordinates, drawn as plain lines.

Plotly's own parallel coordinates need WebGL and generated code, which the page's security policy forbids.
"""

from __future__ import annotations

from math import log10
from typing import Any

from harness.records.schema import TrialRecord
from harness.report.kit.figures import COLORS, RAMP, Figure, axis, categories, joined, layout, thin, trial_points
from harness.report.kit.text import for_figure, metric, param, param_name, plural
from harness.report.kit.view import View

__all__ = ["parallel"]

_MAX_LINES = 400
_UNSET = -0.12
"""The height of a line at the axis of a conditional param that its trial does not have."""


def parallel(view: View) -> Figure | None:
    """Parallel coordinates: one line a trial over its params and its score, drawn as plain lines."""
    names = list(view.scored_params)
    if not names:
        return None
    records, note = thin(view.ranked_scored, _MAX_LINES)
    better = "the better the trial"
    if view.is_constrained:
        better += ", and all that meet the constraints are better than those that do not"
    ranks = {record.number: place for place, record in enumerate(records)}
    scales = [_Scale(view, name) for name in names] + [_Scale(view, None)]
    groups: list[list[TrialRecord]] = [[] for _ in RAMP]
    for record in records:
        groups[len(RAMP) - 1 - ranks[record.number] * len(RAMP) // len(records)].append(record)
    data = [_lines(scales, group, RAMP[i], 1.2) for i, group in enumerate(groups) if group]
    pick = view.winner
    marked = ""
    if pick is not None and pick.number in ranks:
        data.append(_lines(scales, [pick], COLORS["orange"], 3.5))
        role = "the winner" if view.results.final is not None else "the best so far"
        marked = f" The orange line is trial {pick.number}, {role}."
    return Figure(
        key="parallel",
        title="Which params go with a good score",
        data=data,
        layout=layout(
            axis("", **categories([scale.title for scale in scales]), range=[-0.3, len(scales) - 0.7], side="top")
            | {"showgrid": False, "ticks": "", "showline": False, "fixedrange": True, "tickangle": 0},
            {
                "visible": False,
                "range": [-0.18 if any(scale.partial for scale in scales) else -0.05, 1.06],
                "fixedrange": True,
            },
            420,
            annotations=[label for place, scale in enumerate(scales) for label in scale.labels(place)],
            shapes=[_pole(place) for place in range(len(scales))],
            legend=False,
        ),
        alt=f"Each line is a trial: it passes its values of {plural(len(names), 'param')} and ends at its "
        f"{view.score_name}; the stronger the line, {better}.{marked}",
        note=note,
        wide=True,
        min_width=110 * len(scales),
    )


def _lines(scales: list[_Scale], records: list[TrialRecord], color: str, width: float) -> dict[str, Any]:
    heights = [[scale.height(record) for scale in scales] for record in records]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": joined([list(range(len(scales)))] * len(records)),
        "y": joined(heights),
        "line": {"color": color, "width": width, "shape": "spline", "smoothing": 0.6},
        "showlegend": False,
        "connectgaps": False,
        **trial_points([]),
        "customdata": joined([[record.number] * len(scales) for record in records]),
        "hovertemplate": "trial %{customdata}<extra></extra>",
    }


def _pole(place: int) -> dict[str, Any]:
    line = {"color": COLORS["grey"], "width": 1}
    return {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": line, "layer": "below"}


class _Scale:
    """One vertical axis: the heights of trials on it, in 0..1. `name` None is the score."""

    def __init__(self, view: View, name: str | None) -> None:
        self.view, self.name = view, name
        title = param_name(name) if name else view.score_name
        self.title = for_figure(title, 22).replace(" ", "<br>", 1)
        values = [self._value(record) for record in view.scored if self._applies(record)]
        self.numeric = name is None or view.is_number(name)
        self.partial = len(values) < len(view.scored)
        self.levels: list[Any] = sorted(set(values)) if self.numeric else sorted(set(map(param, values)))
        self.log = self.numeric and name is not None and view.is_log(name) and self.levels[0] > 0
        # Listed values are set apart evenly, so that 8, 16 and 32 do not crowd.
        self.even = not self.numeric or (name is not None and view.is_listed(name))

    def _applies(self, record: TrialRecord) -> bool:
        return self.name is None or self.name in record.params

    def _value(self, record: TrialRecord) -> Any:
        return self.view.score(record) if self.name is None else record.params[self.name]

    def height(self, record: TrialRecord) -> float:
        """The height of `record` on this axis, in 0..1; `_UNSET` where the param does not apply."""
        if not self._applies(record):
            return _UNSET
        value = self._value(record)
        if self.even:
            return self._at(self.levels.index(value if self.numeric else param(value)))
        low, high = self._scaled(self.levels[0]), self._scaled(self.levels[-1])
        return (self._scaled(value) - low) / (high - low) if high > low else 0.5

    def _at(self, level: int) -> float:
        return level / (len(self.levels) - 1) if len(self.levels) > 1 else 0.5

    def _scaled(self, value: float) -> float:
        return log10(value) if self.log else value

    def _ticks(self) -> list[tuple[float, str]]:
        if self.even:
            every = max(1, len(self.levels) // 8)
            return [(self._at(level), param(self.levels[level])) for level in range(0, len(self.levels), every)]
        low, high = self.levels[0], self.levels[-1]
        middle = (low * high) ** 0.5 if self.log else (low + high) / 2
        values = [(0.0, low), (0.5, middle), (1.0, high)] if high > low else [(0.5, low)]
        return [(y, param(value) if self.name else metric(self.view.objective, value)) for y, value in values]

    def labels(self, place: int) -> list[dict[str, Any]]:
        """The texts beside the axis."""
        ticks = [*self._ticks(), *([(_UNSET, "not used")] if self.partial else [])]
        # The first axis has its labels on the right, where there is room.
        side = {"xanchor": "left", "xshift": 5} if place == 0 else {"xanchor": "right", "xshift": -5}
        style = {"showarrow": False, **side, "font": {"size": 11, "color": COLORS["ink"]}}
        return [
            {
                "x": place,
                "y": y,
                "text": for_figure(self.view.checkpoint_name(text) if self.name == "checkpoint" else text, 16),
                "bgcolor": COLORS["plate"],
                **style,
            }
            for y, text in ticks
        ]
