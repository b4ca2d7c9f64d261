"""A run for notebooks, `harness.load("runs/quickstart")`: the data frames and figures of the report."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.kit.view import View
from harness.report.study.checkpoints import candidates, checkpoints_section
from harness.report.study.figures.search import search_figures
from harness.report.study.figures.training import training_figures
from harness.report.study.page import results_of
from harness.report.study.tables import finalists_frame, history_frame, trials_frame
from harness.report.study.verdict import judged_by
from harness.report.study.winner import models_figure, winner_section

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from harness.records.results import Results

__all__ = ["LoadedRun"]


class LoadedRun:
    """The numbers of a run: `trials`, `history` and `finalists` are data frames, `figures()` plotly figures by name."""

    def __init__(self, run: str | Path | Results) -> None:
        self._view = View(results_of(run))

    @property
    def results(self) -> Results:
        """The results with all records."""
        return self._view.results

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a search trial: state, params (`params_*`), metrics, speed, memory, time."""
        return trials_frame(self._view)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an evaluation, of search and confirmation trials."""
        return history_frame(self._view)

    @cached_property
    def finalists(self) -> pd.DataFrame:
        """One row a confirmed configuration: means over seeds, and their deviation (`*_std`)."""
        return finalists_frame(self._view)

    def figures(self) -> dict[str, go.Figure]:
        """The report's figures; a notebook shows one when it is the last line of a cell."""
        view = self._view
        models = models_figure(view, judged_by(view, view.chosen)) if view.chosen else None
        parts = [*([models] if models else []), *search_figures(view), *training_figures(view)]
        if len(view.checkpoints) > 1:
            parts += checkpoints_section(view, candidates(view)).figures
        parts += winner_section(view).figures
        return {figure.key: figure.plotly() for figure in parts}

    def __repr__(self) -> str:
        return f"LoadedRun({self.results.spec.name!r}, {len(self.results.trials)} trials)"
