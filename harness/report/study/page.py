"""Writes the report of one run: a self-contained page and a summary in Markdown."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.report.kit.figures import COLORS, axis, layout, score_axis
from harness.report.kit.html import render, save_document
from harness.report.kit.sections import Section, arranged
from harness.report.kit.text import footer, plural
from harness.report.kit.view import View
from harness.report.study import leaderboard
from harness.report.study.answer import Answer, answer
from harness.report.study.checkpoints import candidates, checkpoint_choices, checkpoints_section
from harness.report.study.evidence import evidence_section
from harness.report.study.figures.search import search_figures
from harness.report.study.figures.training import training_figures
from harness.report.study.summary import summary
from harness.report.study.verdict import judged_by
from harness.report.study.winner import models_figure, models_table, winner_section

if TYPE_CHECKING:
    from harness.records.results import Results

__all__ = ["results_of", "write_report"]


def write_report(results_or_run: Results | Path | str, out: Path) -> Path:
    """Writes `index.html` and `summary.md` into the folder `out` and returns the page's path."""
    view = View(results_of(results_or_run))
    top, columns, rows = answer(view), leaderboard.columns(view), leaderboard.rows(view)
    page = _page(view, top, columns, rows)
    save_document(
        Path(out) / "summary.md", summary(view, top, models_table(view), leaderboard.caption(view), columns, rows)
    )
    return save_document(Path(out) / "index.html", page)


def results_of(run: Results | Path | str) -> Results:
    """The results of a run folder; results are returned as they are."""
    if isinstance(run, (str, Path)):
        from harness.records.results import load

        return load(Path(run))
    return run


def _page(view: View, top: Answer, columns: list[leaderboard.TrialColumn], rows: list[leaderboard.TrialRow]) -> str:
    several = candidates(view) if len(view.checkpoints) > 1 else []
    sections = [
        _search(view),
        _training(view),
        *([checkpoints_section(view, several)] if len(view.checkpoints) > 1 else []),
        winner_section(view),
        evidence_section(view),
    ]
    chosen = view.chosen
    forest = models_figure(view, judged_by(view, chosen)) if chosen else None
    figures = [figure for section in sections for figure in section.all_figures] + ([forest] if forest else [])
    data = {
        "trials": leaderboard.details(view),
        "columns": [[column.key, column.title, column.scale, column.numeric] for column in columns],
        "rows": [row.values for row in rows],
        "percent": _in_percent(view),
        "curve": _curve_look(view),
        "checkpoints": checkpoint_choices(view, several),
    }
    spec = view.results.spec
    names = [
        ("answer", "Answer"),
        ("leaderboard", "Leaderboard"),
        *((section.key, section.title) for section in sections),
    ]
    return render(
        "report.html",
        figures,
        data,
        title=spec.name,
        sections=names,
        kicker=f"{spec.task} study “{spec.name}”, {plural(len(view.trials), 'trial')}",
        answer=top,
        forest=forest,
        filter_example=_filter_example(view),
        states=list(Counter(row.state for row in rows).items()),
        leaderboard_caption=leaderboard.caption(view),
        columns=columns,
        rows=rows,
        best=view.winner.number if view.winner else None,
        body=sections,
        footer=footer(view.task.metrics, view.resampled_by),
    )


def _filter_example(view: View) -> str:
    """An example for the leaderboard's filter: a rule that keeps about half of the completed trials."""
    metric, values = view.judge, [view.score(record, view.judge.name) for record in view.completed]
    middle = median([value for value in values if isfinite(value)] or [0.5])
    limit = f"{100 * middle:.0f}" if metric.percent else f"{middle:.3g}"
    return f"batch size=16 {metric.title}{'>' if metric.maximize else '<'}{limit}"


def _in_percent(view: View) -> list[str]:
    """The columns of the leaderboard whose limits are given in percent in the filter."""
    names = [metric.name for metric in view.task.metrics if metric.percent]
    return [*names, "interval"] if view.metric.percent else names


def _search(view: View) -> Section:
    figures = search_figures(view)
    small = [figure for figure in figures if figure.key.startswith("slice-")]
    return Section(
        key="search",
        title="Search",
        lead="How the search went, what more of it would bring, and which params matter.",
        figures=arranged([figure for figure in figures if not figure.key.startswith("slice-")]),
        small=small,
        empty="" if figures else "No trial has a score yet.",
    )


def _training(view: View) -> Section:
    figures = training_figures(view)
    return Section(
        key="training",
        title="Training",
        lead="How the trials learned, where their time went, and what speed and memory cost.",
        figures=arranged(figures),
        empty="" if figures else "No trial was evaluated.",
    )


def _curve_look(view: View) -> dict[str, Any]:
    """The layout of a trial's learning curve, for the page's script."""
    return {
        "name": f"validation {view.score_name}",
        "colors": [COLORS["blue"], COLORS["orange"]],
        "layout": layout(axis("epoch", rangemode="tozero"), score_axis(view), 280),
        "second": axis(view.train_loss_name, tickmode="auto", nticks=5),
    }
