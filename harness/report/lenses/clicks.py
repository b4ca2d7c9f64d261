"""The lens for the probability of a click: calibration, the area under the ROC curve by user, and the worst rows.

It reads the output `probabilities` [rows, 2], where there are users `users` [rows], and the target `labels` [rows].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from harness.data.answers import Answers
from harness.report.kit.figures import COLORS, Figure, axis, layout
from harness.report.kit.sections import Table
from harness.report.kit.text import number, percent, plural
from harness.report.kit.view import View
from harness.report.lenses.base import MAX_ERRORS, NO_OTHERS, NO_ROWS, Findings
from harness.report.lenses.class_figures import reliability
from harness.report.lenses.class_scores import Calibration
from harness.stats.clicks.by_user import user_areas
from harness.stats.clicks.calibration import bins_of

__all__ = ["Clicks"]

_NUM_BARS = 20
#: A user with so many rows more than another counts in another line of the table.
_SIZES = (1, 5, 10, 20, 50)


class Clicks:
    """The lens of tasks with the probability of a click for each row."""

    lead = "How far the winner's probabilities are right on the test rows, and for whom."

    def fits(self, answers: Answers) -> bool:
        """True for labels 0 and 1 [rows] and probabilities [rows, 2]."""
        labels, probabilities = answers.targets.get("labels"), answers.outputs.get("probabilities")
        if not isinstance(labels, np.ndarray) or not isinstance(probabilities, np.ndarray):
            return False
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or not np.isin(labels, (0, 1)).all():
            return False
        return probabilities.dtype.kind == "f" and probabilities.ndim == 2 and probabilities.shape[1] == 2

    def truth(self, view: View, answers: Answers, row: int) -> str:
        """Whether there was a click."""
        return "a click" if np.asarray(answers.targets["labels"])[row] == 1 else "no click"

    def look(
        self, view: View, answers: Answers, texts: Sequence[str], others: Mapping[str, Answers] = NO_OTHERS
    ) -> Findings:
        """Calibration, the users by their area, and tables of the users by their rows and of the worst rows."""
        clicked = np.asarray(answers.targets["labels"]) == 1
        said = np.asarray(answers.outputs["probabilities"], dtype=float)[:, 1]
        figures, tables = [_calibration(said, clicked)], [_worst(said, clicked, texts)]
        if "users" in answers.outputs:
            users, areas = user_areas(np.asarray(answers.outputs["users"]), said, clicked)
            if np.isfinite(areas).any():
                figures.append(_by_user(areas))
                tables.insert(0, _by_size(users, areas))
        return Findings(figures=tuple(figures), tables=tuple(tables))


def _calibration(said: np.ndarray, clicked: np.ndarray) -> Figure:
    """The share of clicks by probability, with the ideal diagonal."""
    bins = bins_of(said)
    rows = np.bincount(bins)
    means, shares = np.bincount(bins, said) / rows, np.bincount(bins, clicked) / rows
    error = float(np.abs(means - shares) @ rows / rows.sum())
    curve = Calibration(confidence=means, accuracy=shares, num_rows=rows, error=error)
    traces, reach = reliability(curve, "says %{x:.1%}, clicked are %{y:.1%} of %{customdata} rows")
    gap = 100 * float(said.mean() - clicked.mean())
    manner = f"{'too high' if gap > 0 else 'too low'} (by {abs(gap):.1f} points)" if abs(gap) >= 0.05 else "right"
    return Figure(
        key="calibration",
        title="Calibration on test: probability against clicks",
        data=traces,
        layout=layout(
            axis("probability of a click (%)", range=list(reach), tickformat=".0%"),
            axis("rows with a click (%)", range=list(reach), tickformat=".0%"),
            380,
        ),
        alt=f"Calibration error {percent(error)}; on average the probabilities are {manner}.",
        note=f"{plural(len(rows), 'bin')} with about equally many rows.",
    )


def _by_user(areas: np.ndarray) -> Figure:
    """How many users have which area."""
    known = areas[np.isfinite(areas)]
    counts, edges = np.histogram(known, bins=_NUM_BARS, range=(0.0, 1.0))
    below = int((known < 0.5).sum())
    bars = {
        "type": "bar",
        "x": ((edges[1:] + edges[:-1]) / 2).tolist(),
        "y": counts.tolist(),
        "width": 1 / _NUM_BARS * 0.94,
        "marker": {"color": COLORS["orange"]},
        "customdata": [f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)],
        "hovertemplate": "%{customdata}: %{y} users<extra></extra>",
    }
    return Figure(
        key="user-auc",
        title="AUC by user on test",
        data=[bars],
        layout=layout(axis("AUC of a user's rows", range=[-0.01, 1.01]), axis("users"), 380, legend=False),
        alt=f"Half of {plural(len(known), 'user')} have an AUC of {number(float(np.median(known)))} or more; {below:,} "
        f"{'has' if below == 1 else 'have'} one below 0.5.",
        note=_left_out(len(areas) - len(known)),
    )


def _left_out(count: int) -> str:
    what = f"{plural(count, 'user')} {'has' if count == 1 else 'have'} clicks alone or none"
    return f"{what}: no AUC is known there." if count else ""


def _by_size(users: np.ndarray, areas: np.ndarray) -> Table:
    """The mean area of users with few and with many rows."""
    rows, known = np.bincount(users, minlength=len(areas)), np.isfinite(areas)
    found = []
    for low, high in zip(_SIZES, (*(size - 1 for size in _SIZES[1:]), None), strict=True):
        chosen = known & (rows >= low) & (rows <= (high or rows.max()))
        if chosen.any():
            size = f"{low} to {high}" if high else f"{low} or more"
            count = f"{int(rows[chosen].sum()):,}"
            found.append([size, f"{int(chosen.sum()):,}", count, f"{float(areas[chosen].mean()):.3f}"])
    return Table(
        title="Users by how many test rows they have",
        head=("rows of a user", "users", "rows", "mean AUC"),
        rows=found,
        numeric=frozenset({1, 2, 3}),
    )


def _worst(said: np.ndarray, clicked: np.ndarray, texts: Sequence[str]) -> Table:
    """The rows whose probability is furthest from what happened."""
    order = np.argsort(-np.abs(clicked - said), kind="stable")[:MAX_ERRORS]
    rows = [
        [f"{row}", percent(float(said[row])), "1" if clicked[row] else "0", *([texts[row]] if texts else [])]
        for row in order.tolist()
    ]
    return Table(
        title=f"The {plural(len(rows), 'row')} it was most wrong about",
        head=("test row", "probability of a click", "click", *(["row"] if texts else [])),
        rows=rows,
        numeric=frozenset({1, 2}),
        texts=frozenset({3}),
        wide=True,
        caption="" if texts else NO_ROWS,
    )
