"""The report of one run: a self-contained page and a summary in Markdown.

Knows nothing of how trials are run: it reads records, logs and predictions of a run folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report import leaderboard
from harness.report.answer import answer
from harness.report.figures import COLORS, Figure, axis, layout, score_axis
from harness.report.figures_search import search_figures
from harness.report.figures_training import training_figures
from harness.report.html import render, write_text
from harness.report.view import View

if TYPE_CHECKING:
    from harness.records.results import Results

__all__ = ["write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page below the leaderboard. `empty` is said where there is nothing to show."""

    key: str
    title: str
    lead: str
    figures: Sequence[Figure] = ()
    small: Sequence[Figure] = ()
    tables: Sequence[Any] = ()
    empty: str = ""


def write_report(results_or_run: Results | Path | str, out: Path) -> Path:
    """Writes `index.html` and `summary.md` into `out` and returns the page's path."""
    view = View(_results(results_or_run))
    return write_text(Path(out) / "index.html", page(view))


def _results(found: Results | Path | str) -> Results:
    if isinstance(found, (str, Path)):
        from harness.records.results import load

        return load(found)
    return found


def page(view: View) -> str:
    """Returns the whole page."""
    sections = [_search(view), _training(view)]
    figures = [figure for section in sections for figure in (*section.figures, *section.small)]
    columns, rows = leaderboard.columns(view), leaderboard.rows(view)
    spec = view.results.spec
    counts = Counter(record.state.value for record in view.trials)
    data = {
        "trials": leaderboard.details(view),
        "columns": [column.key for column in columns],
        "rows": [row.values for row in rows],
        "percent": ["accuracy", "macro_f1", "interval"],
        "curve": _curve_look(view),
    }
    names = [("answer", "Answer"), ("leaderboard", "Leaderboard"), *((s.key, s.title) for s in sections)]
    return render(
        "report.html",
        figures,
        data,
        title=spec.name,
        sections=names,
        kicker=f"{spec.task} study “{spec.name}”",
        answer=answer(view),
        forest=None,
        states=list(counts.items()),
        columns=columns,
        rows=rows,
        best=view.winner.number if view.winner else None,
        body=sections,
        footer="",
    )


def _search(view: View) -> Section:
    found = search_figures(view)
    small = [figure for figure in found if figure.key.startswith("slice-")]
    return Section(
        key="search",
        title="Search",
        lead="How the search went, what more of it would bring, and which params matter.",
        figures=arranged([figure for figure in found if figure not in small]),
        small=small,
        empty="" if found else "No trial has a score yet.",
    )


def _training(view: View) -> Section:
    found = training_figures(view)
    return Section(
        key="training",
        title="Training",
        lead="How the trials learned, where their time went, and what speed and memory cost.",
        figures=arranged(found),
        empty="" if found else "No trial was evaluated.",
    )


def arranged(figures: Sequence[Figure]) -> list[Figure]:
    """Figures in rows of two; one that is left alone in its row takes the whole row."""
    found: list[Figure] = []
    half = False
    for figure in figures:
        if figure.wide and half:
            found[-1] = replace(found[-1], wide=True)
        half = not half and not figure.wide
        found.append(figure)
    if half:
        found[-1] = replace(found[-1], wide=True)
    return found


def _curve_look(view: View) -> dict[str, Any]:
    """How the page draws the curve of a trial that is opened."""
    return {
        "name": f"validation {view.score_name}",
        "colors": [COLORS["blue"], COLORS["orange"]],
        "layout": layout(axis("epoch", rangemode="tozero"), score_axis(view), 280),
        "second": axis("training loss (nats)"),
    }
