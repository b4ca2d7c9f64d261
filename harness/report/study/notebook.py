"""A run in Python: the same data frames and figures that the report is made of.

Knows nothing of HTML. `harness.load("runs/quickstart")` gives one.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.kit.view import View
from harness.report.study.checkpoints import candidates, checkpoints_section
from harness.report.study.figures_search import search_figures
from harness.report.study.figures_training import training_figures
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
        """The records themselves."""
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
        found = [*([models] if models else []), *search_figures(view), *training_figures(view)]
        if len(view.checkpoints) > 1:
            found += checkpoints_section(view, candidates(view)).figures
        found += winner_section(view).figures
        return {figure.key: figure.plotly() for figure in found}

    def __repr__(self) -> str:
        return f"LoadedRun({self.results.spec.name!r}, {len(self.results.trials)} trials)"
