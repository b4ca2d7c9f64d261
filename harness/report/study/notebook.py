"""A run for notebooks, `harness.load("runs/quickstart")`: its best trial, test scores, data frames and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError, RunError, nearest
from harness.records.results import Results
from harness.report.kit.figures import Figure
from harness.report.kit.view import View
from harness.report.study.checkpoints import candidates, checkpoints_section
from harness.report.study.figures.search import search_figures
from harness.report.study.figures.training import training_figures
from harness.report.study.page import results_of
from harness.report.study.tables import finalists_frame, history_frame, trials_frame
from harness.report.study.verdict import judged_by
from harness.report.study.winner import models_figure, winner_section
from harness.spec.trial import ParamValue
from harness.stats.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

__all__ = ["Best", "Figures", "Run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The winner, or the first of the leaderboard before the decision; `metrics` are validation means over `seeds`."""

    trial: int
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    seeds: tuple[int, ...]


class Figures(Mapping[str, "go.Figure"]):
    """The figures of a run's page by name; each is drawn by Plotly when it is asked for."""

    def __init__(self, figures: Mapping[str, Figure], run: Path) -> None:
        self._figures, self._run = figures, run

    def __getitem__(self, name: str) -> go.Figure:
        """The figure `name`.

        Raises:
            InputError: the run has no such figure; the message names those that it has.
        """
        if name not in self._figures:
            listed = ", ".join(self._figures) or "none: nothing was evaluated yet"
            raise InputError(f"{self._run} has no figure '{name}'{nearest(name, self._figures)} (figures: {listed})")
        return self._figures[name].plotly()

    def __contains__(self, name: object) -> bool:
        return name in self._figures

    def get(self, name: str, default: object = None) -> object:
        """The figure `name`, or `default` where the run has none."""
        return self[name] if name in self._figures else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        return f"Figures({', '.join(self._figures)})"


class Run:
    """A run's numbers, as they were when it was read; `trials`, `history` and `finalists` are data frames."""

    def __init__(self, run: str | Path | Results) -> None:
        self._view = View(results_of(run))

    @property
    def results(self) -> Results:
        """The results with all records."""
        return self._view.results

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.results.folder

    @property
    def best(self) -> Best:
        """The winner; before the decision the first trial of the leaderboard that may win.

        Raises:
            RunError: there is none: no trial is complete yet, or none meets the study's constraints.
        """
        row = self.results.best()
        if row is None:
            raise self._no_winner()
        return Best(trial=row.record.number, params=dict(row.record.params), metrics=dict(row.metrics), seeds=row.seeds)

    @property
    def test(self) -> dict[str, Interval]:
        """The winner's test scores by metric, each with `value` and the ends of its 95 % interval, `low` and `high`.

        Raises:
            RunError: the run has no winner (yet).
        """
        final = self.results.final
        if final is None or final.winning_model is None:
            raise self._no_winner()
        return dict(final.winning_model.test)

    @property
    def model(self) -> Path:
        """The folder of the exported winner, which `harness.predict` and transformers load.

        Raises:
            RunError: the run has no winner (yet).
        """
        exported = self.results.export_path()
        if exported is None:
            raise self._no_winner()
        return Path(exported)

    def _no_winner(self) -> RunError:
        return RunError(f"{self.folder} has no winner{self.results.why_no_winner}")

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a search trial, by number: state, params (`params_*`), metrics, speed, memory (MiB), time (s)."""
        return trials_frame(self._view)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an evaluation, of search and confirmation trials."""
        return history_frame(self._view)

    @cached_property
    def finalists(self) -> pd.DataFrame:
        """One row a confirmed configuration: means over seeds, and their deviation (`*_std`)."""
        return finalists_frame(self._view)

    @cached_property
    def figures(self) -> Figures:
        """The report's figures by name; a notebook shows one when it is the last line of a cell."""
        view = self._view
        models = models_figure(view, judged_by(view, view.chosen)) if view.chosen else None
        parts = [*([models] if models else []), *search_figures(view), *training_figures(view)]
        if len(view.checkpoints) > 1:
            parts += checkpoints_section(view, candidates(view)).figures
        parts += winner_section(view).figures
        return Figures({figure.key: figure for figure in parts}, self.folder)

    def __repr__(self) -> str:
        return f"Run({self.results.spec.name!r}, {len(self.results.trials)} trials)"
