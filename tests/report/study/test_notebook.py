from __future__ import annotations

import re
from pathlib import Path

import plotly.graph_objects as go

from harness.report.study.notebook import LoadedRun
from harness.report.study.page import write_report
from tests.report.factory import make_results


def test_loaded_run_gives_frames_and_figures(tmp_path: Path) -> None:
    run = LoadedRun(make_results(tmp_path, trials=12))
    assert len(run.trials) == 12
    assert set(run.history["number"]) <= set(run.trials["number"])
    assert len(run.finalists) == 3
    figures = run.figures()
    assert {"history", "parallel", "curves", "timeline", "forest"} <= set(figures)
    assert all(isinstance(figure, go.Figure) and figure.layout.title.text for figure in figures.values())
    assert repr(run) == "LoadedRun('reviews', 12 trials)"


def test_loaded_run_gives_every_figure_of_the_page(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12, checkpoints=("org/large", "org/small"))
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    shown = set(re.findall(r'data-figure="([^"]+)"', page))
    assert {"confusion", "calibration", "seeds", "checkpoints", "checkpoint-speed"} <= shown
    assert set(LoadedRun(results).figures()) == shown


def test_figures_without_a_decision_lack_the_final_models(tmp_path: Path) -> None:
    assert "forest" not in LoadedRun(make_results(tmp_path, trials=6, final=False)).figures()
