"""The winner's section where the task names no lens, and what the page says of any task in its own words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.records.results import Results
from harness.report.compare.page import write_comparison
from harness.report.kit.view import View
from harness.report.study.page import write_report
from harness.report.study.winner import winner_section
from harness.spec.tasks import TASKS, facts_of
from tests.report.factory import make_results
from tests.report.study.test_page import Reader, data_of

TASK = "text-regression"


def results_of(folder: Path, monkeypatch: pytest.MonkeyPatch, lens: str | None, **shape: Any) -> Results:
    """A study of one number a row, with that lens."""
    monkeypatch.setitem(TASKS, TASK, replace(facts_of(TASK), lens=lens))
    return make_results(folder, task=TASK, trials=12, **shape)


def test_task_without_a_lens_has_models_comparisons_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = results_of(tmp_path, monkeypatch, None)
    section = winner_section(View(results))
    assert section.empty == "There is no view of single rows for text-regression; its models are compared by metrics."
    assert [table.title for table in section.tables] == ["The final models on test, with 95 % intervals"]
    assert section.tables[0].head[1] == "RMSE"
    assert [figure.key for figure in section.figures] == ["seeds"]
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert section.empty in page
    assert "Against the baseline" in page
    assert "forest" in data_of(page)["figures"]


def test_unknown_lens_is_refused_where_the_facts_are_made() -> None:
    with pytest.raises(
        ValueError,
        match=re.escape("'number' is no lens (classes, labels, numbers, spans, answers, completions, clicks, boxes)"),
    ):
        replace(facts_of(TASK), lens="number")


@pytest.mark.parametrize("lens", ["numbers", None])
def test_page_speaks_of_the_metrics_of_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lens: str | None
) -> None:
    results = results_of(tmp_path, monkeypatch, lens)
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    summary = (tmp_path / "report" / "summary.md").read_text(encoding="utf-8")
    (example,) = [str(box["placeholder"]) for box in Reader(page).all("input") if box.get("id") == "filter"]
    assert example.startswith("Filter: words, or batch size=16 RMSE<0.")
    losses = data_of(page)["figures"]["losses"]["layout"]["yaxis"]["title"]["text"]
    assert losses == data_of(page)["curve"]["second"]["title"]["text"] == "training loss"
    shown = page.partition("<script")[0] + summary
    for word in ("accuracy", "macro F1", "log loss", "nats", "each class", "Confusion"):
        assert word not in shown, word
    assert "test RMSE, 95 % interval" in summary
    assert "less RMSE" in summary


def test_page_of_classes_has_their_metric_in_the_filter_and_nats(tmp_path: Path) -> None:
    page = write_report(make_results(tmp_path, trials=12), tmp_path / "report").read_text(encoding="utf-8")
    (example,) = [str(box["placeholder"]) for box in Reader(page).all("input") if box.get("id") == "filter"]
    assert example.startswith("Filter: words, or batch size=16 accuracy>8")
    assert data_of(page)["figures"]["losses"]["layout"]["yaxis"]["title"]["text"] == "training loss (nats)"


def test_metric_of_which_only_the_facts_are_kept_is_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a user's own task, whose code a report does not run: what the records say of it is shown."""
    checkpoints = ("org/large", "org/small")
    runs = [
        results_of(tmp_path / name, monkeypatch, None, name=name, checkpoints=checkpoints) for name in ("one", "two")
    ]
    facts = facts_of(TASK)
    copies = tuple(replace(metric, row_stats=None, of_sums=None, value=None) for metric in facts.metrics)
    monkeypatch.setitem(TASKS, TASK, replace(facts, metrics=copies))
    write_report(runs[0], tmp_path / "report")
    summary = (tmp_path / "report" / "summary.md").read_text(encoding="utf-8")
    assert "test RMSE, 95 % interval" in summary
    assert "Against the baseline" in summary
    assert re.search(
        r"Validation to test\*\*: The exported model .* [\d.]+ on validation and [\d.]+ on test\.", summary
    )
    assert "too small" not in summary
    write_comparison(runs, tmp_path / "out")
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("## The runs cannot be ranked: RMSE is a metric of a user's own, whose code is not run")
    assert "pair by pair" not in summary


def test_runs_of_numbers_are_compared_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [
        results_of(tmp_path / name, monkeypatch, "numbers", name=name, accuracy=accuracy)
        for name, accuracy in (("one", 0.7), ("two", 1.1))
    ]
    write_comparison(runs, tmp_path / "out")
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("## two has the best pick")
    assert "- **Against one**: Better (probability of being better above 99 %): 0." in summary
    assert "less RMSE" in summary
