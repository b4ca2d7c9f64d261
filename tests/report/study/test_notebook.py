from __future__ import annotations

import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from harness.errors import InputError, RunError
from harness.report.study.notebook import Run
from harness.report.study.page import write_report
from tests.report.factory import make_results


def test_loaded_run_gives_frames_and_figures(tmp_path: Path) -> None:
    run = Run(make_results(tmp_path, trials=12))
    assert len(run.trials) == 12
    assert set(run.history["number"]) <= set(run.trials["number"])
    assert len(run.finalists) == 3
    figures = run.figures
    assert {"history", "parallel", "curves", "timeline", "forest"} <= set(figures)
    assert all(isinstance(figure, go.Figure) and figure.layout.title.text for figure in figures.values())
    assert repr(run) == "Run('reviews', 12 trials)"


def test_loaded_run_gives_every_figure_of_the_page(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12, checkpoints=("org/large", "org/small"))
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    shown = set(re.findall(r'data-figure="([^"]+)"', page))
    assert {"confusion", "calibration", "seeds", "checkpoints", "checkpoint-speed"} <= shown
    assert set(Run(results).figures) == shown


def test_figures_without_a_decision_lack_the_final_models(tmp_path: Path) -> None:
    assert "forest" not in Run(make_results(tmp_path, trials=6, final=False)).figures


def test_best_and_test_are_the_winners(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12)
    run, final = Run(results), results.final
    assert final is not None
    assert final.winning_model is not None
    assert run.best.trial == final.winner
    assert run.best.params == dict(results.trials[run.best.trial].params)
    assert len(run.best.seeds) == 3
    assert run.test == final.winning_model.test
    assert run.test["accuracy"].low <= run.test["accuracy"].value <= run.test["accuracy"].high
    assert run.folder == results.folder


def test_before_the_decision_there_is_no_test_score(tmp_path: Path) -> None:
    run = Run(make_results(tmp_path, trials=6, final=False))
    assert run.best.trial == run.results.leaderboard()[0].record.number
    for name in ("test", "model"):
        with pytest.raises(RunError, match="has no winner yet; let the sweep come to its end"):
            getattr(run, name)


def test_missing_figure_names_those_there_are(tmp_path: Path) -> None:
    figures = Run(make_results(tmp_path, trials=12)).figures
    assert isinstance(figures["importance"], go.Figure)
    with pytest.raises(
        InputError, match=r"no figure 'importence'; did you mean 'importance'\? \(figures: .*history"
    ) as error:
        _ = figures["importence"]
    assert all(name in str(error.value) for name in figures)
    assert "importence" not in figures
    assert figures.get("importence") is None
    assert repr(figures).startswith("Figures(forest, ")
