"""Figures of the search: score by trial, expected best score, and those of the params."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from harness.records.schema import TrialState
from harness.report.kit.figures import (
    COLORS,
    Figure,
    axis,
    band,
    layout,
    log_ticks,
    score_axis,
    whole_ticks,
)
from harness.report.kit.stats import expected_best, running_best
from harness.report.kit.text import join, plural
from harness.report.kit.view import View
from harness.report.study.figures.parallel import parallel
from harness.report.study.figures.params import dots, importance, params_map, slice_of

__all__ = ["search_figures"]


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
            data.append(dots(view, records, state))
    finished = view.eligible
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
    kept = " that meets the constraints" if view.is_constrained else ""
    none = f"no trial{kept} was completed"
    outcome = f"the best completed trial{kept} reaches {view.score_text(best[-1])}" if numbers else none
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
        note=" ".join(text for text in (_without_point(view), view.first_seeds_note) if text),
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
        alt=f"The best of {plural(half, 'such trial')} would be {view.score_text(mean[half - 1])} on average, "
        f"that of another {len(scores):,} {view.score_text(mean[-1])}.",
        note="The average best of so many trials, if each were drawn independently of the others (Dodge et al. 2019); "
        f"a pruned trial counts with its best score. {view.constraints_note}".rstrip(),
    )
