from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.records.results import Results
from harness.records.schema import TrialRecord, TrialState
from harness.report.kit.figures import RAMP, Figure, columns, joined, log_ticks, thin, whole_ticks
from harness.report.kit.sections import arranged
from harness.report.kit.stats import expected_best
from harness.report.kit.view import View
from harness.report.study.equal_length import equal_length
from harness.report.study.figures.parallel import parallel
from harness.report.study.figures.params import importance, params_map, slice_of
from harness.report.study.figures.search import best_of_n, history, search_figures
from harness.report.study.figures.time import time_split, timeline
from harness.report.study.figures.training import training_figures
from harness.report.study.winner import winner_section
from tests.report.factory import make_results
from tests.report.payloads import PAYLOADS


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    return View(make_results(tmp_path_factory.mktemp("results"), trials=40, conditional=True))


def trace(figure: Figure | None, name: str) -> Any:
    assert figure is not None
    return next(found for found in figure.data if found.get("name") == name)


def test_history_shows_every_scored_trial_and_the_best_so_far(view: View) -> None:
    figure = history(view)
    dots = [x for found in figure.data if found["mode"] == "markers" for x in found["x"]]
    assert sorted(dots) == [record.number for record in view.scored]
    best = trace(figure, "best so far")["y"]
    assert best == sorted(best)
    assert best[-1] == max(view.score(record) for record in view.completed)


def test_best_of_n_draws_the_numbers_of_the_statistics(view: View) -> None:
    line = trace(best_of_n(view), "expected best")
    mean, _, _ = expected_best([view.score(record) for record in view.scored])
    assert line["y"] == [mean[int(n) - 1] for n in line["x"]]
    assert line["x"][0] == 1
    assert line["x"][-1] == len(view.scored)


def test_parallel_has_a_line_a_trial_and_marks_what_is_not_used(view: View) -> None:
    figure = parallel(view)
    assert figure is not None
    axes = len(view.varied) + 1
    assert not re.search("dark|light|bright", figure.alt), "the ramp runs the other way on a dark page"
    grey = [found for found in figure.data if found["line"]["color"] in RAMP]
    assert sum(found["x"].count(None) for found in grey) == len(view.scored)
    assert all(len(found["x"]) % (axes + 1) == 0 for found in figure.data)
    assert any(found["text"] == "not used" for found in figure.layout["annotations"])
    heights = [y for found in figure.data for y in found["y"] if y is not None]
    assert min(heights) == pytest.approx(-0.12)
    assert max(heights) == pytest.approx(1)


def test_map_has_the_best_score_of_the_completed_trials_in_each_cell(view: View) -> None:
    figure = params_map(view)
    assert figure is not None
    cells = np.array(figure.data[0]["z"], dtype=float)
    completed = [view.score(record) for record in view.completed]
    assert np.nanmax(cells) == max(completed)
    assert set(cells[np.isfinite(cells)]) <= set(completed)
    assert cells.shape[0] == 3
    assert len(figure.data[-1]["x"]) == len(view.scored)


def test_map_says_at_which_rung_the_trials_of_a_cell_were_pruned(view: View) -> None:
    figure = params_map(view)
    assert figure is not None
    best, marks = (np.array(found["z"], dtype=float) for found in figure.data[:2])
    assert not (np.isfinite(best) & np.isfinite(marks)).any()
    texts = {text for row in figure.data[1]["text"] for text in row if text}
    assert texts <= {"pruned<br>at 6\u00a0%", "pruned<br>at 25\u00a0%", "failed"}
    assert any(text.startswith("pruned") for text in texts)


def test_map_of_trials_that_were_all_pruned_is_left_out(view: View) -> None:
    pruned = tuple(record for record in view.trials if record.state is TrialState.PRUNED)
    assert params_map(View(replace(view.results, trials=pruned, final=None))) is None


def test_importance_has_whiskers_around_its_bars(view: View) -> None:
    figure = importance(view)
    assert figure is not None
    bars = figure.data[0]
    assert all(0 <= share <= 1 for share in bars["x"])
    assert min(bars["error_x"]["array"]) >= 0
    assert min(bars["error_x"]["arrayminus"]) >= 0


def test_importance_is_of_the_completed_trials_where_ten_were_completed(view: View) -> None:
    figure = importance(view)
    assert figure is not None
    assert len(view.completed) >= 10
    assert f"the {len(view.completed)} trials that were completed, by their final scores" in figure.note


def test_importance_is_of_the_last_rung_that_ten_trials_have_reached(view: View) -> None:
    few = (*view.completed[:4], *(record for record in view.trials if record.state is TrialState.PRUNED))
    found = equal_length(View(replace(view.results, trials=few, final=None)), 10)
    assert found is not None
    at = {
        record.number: [p for p in record.history if p.fraction == pytest.approx(found.share, abs=0.01)]
        for record in few
    }
    reached = {number: points[0].metrics for number, points in at.items() if points}
    assert len(reached) >= 10
    assert found.metrics == reached, "those who trained on are compared at the rung too, not by their final scores"
    scores = [metrics["accuracy"] for metrics in found.metrics.values()]
    assert scores == sorted(scores, reverse=True)
    figure = importance(View(replace(view.results, trials=few, final=None)))
    assert figure is not None
    assert f"{len(reached)} trials that were trained to {100 * found.share:.0f}\u00a0%" in figure.note


def test_importance_at_a_rung_tells_of_steps_that_differ(view: View) -> None:
    few = [*view.completed[:4], *(record for record in view.trials if record.state is TrialState.PRUNED)]

    def told(records: list[TrialRecord]) -> tuple[str, str, int, int]:
        changed = View(replace(view.results, trials=tuple(records), final=None))
        figure, found = importance(changed), equal_length(changed, 10)
        assert figure is not None
        assert found is not None
        return figure.alt, figure.note, *found.steps

    def of_as_many_steps(record: TrialRecord) -> TrialRecord:
        times = int(record.params["batch_size"]) // 8  # type: ignore[call-overload]
        history = [
            row.model_copy(update={"step": times * row.step, "total_steps": times * row.total_steps})
            for row in record.history
        ]
        return record.model_copy(update={"history": tuple(history)})

    text, note, low, high = told(few)
    assert low < high
    assert f"({low} to {high} steps), by their scores there" in note
    assert text.endswith(", set by batch size: what it has of the importance may be that of the steps.")
    text, note, low, high = told(list(map(of_as_many_steps, few)))
    assert low == high
    assert "steps" not in text + note
    whole = importance(view)
    assert whole is not None
    assert "steps" not in whole.alt, "of whole trainings the number of steps is part of what was asked"


def test_slice_leaves_out_trials_without_the_param(view: View) -> None:
    figure = slice_of(view, "label_smoothing")
    shown = sum(len(found["x"]) for found in figure.data)
    assert shown == sum("label_smoothing" in record.params for record in view.scored) < len(view.scored)
    assert "did not use it" in figure.note
    assert "open dots were pruned at the rungs of 6\u00a0% and 25\u00a0% of the training" in figure.alt


def test_learning_curves_end_where_a_trial_was_pruned(view: View) -> None:
    curves = next(figure for figure in training_figures(view) if figure.key == "curves")
    ends = trace(curves, "pruned here")
    pruned = {record.number: record for record in view.trials if record.state is TrialState.PRUNED}
    assert set(ends["customdata"]) == set(pruned)
    for number, epoch in zip(ends["customdata"], ends["x"], strict=True):
        assert epoch == pruned[number].history[-1].epoch


def test_time_bars_add_up_to_the_time_of_their_trial(view: View) -> None:
    figure = time_split(view)
    assert figure is not None
    total = np.sum([found["y"] for found in figure.data], axis=0)
    expected = [record.duration_s for record in view.trials if record.duration_s]
    assert total == pytest.approx(expected, rel=0.02)


def test_timeline_has_a_bar_a_stretch_and_states_the_idle_share(view: View) -> None:
    figure = timeline(view)
    assert figure is not None
    records = [*view.trials, *view.results.confirm]
    assert sum(len(found["x"]) for found in figure.data) == sum(len(record.spans) for record in records)
    assert re.search(r"busy \d+\W% of the time, idle \d+\W%", figure.alt)


def test_figures_of_a_study_without_scores_are_left_out(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=0))
    assert search_figures(view) == []
    assert training_figures(view) == []


def test_param_that_only_failed_trials_have_has_no_figure(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=17, fail_every=17)
    failed = results.trials[16]
    assert not failed.metrics
    odd = failed.model_copy(update={"params": {**failed.params, "label_smoothing": 0.1}})
    fields = {name: getattr(results, name) for name in ("folder", "spec", "confirm", "baselines", "manifest", "live")}
    view = View(Results(trials=(*results.trials[:16], odd), final=None, **fields))
    assert "label_smoothing" in view.varied
    assert not any("label smoothing" in figure.title for figure in search_figures(view))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings(item)


def test_foreign_text_in_figures_is_no_markup(tmp_path: Path) -> None:
    """Plotly reads labels as a kind of HTML: only our own line breaks and bold may be left."""
    results = make_results(
        tmp_path, trials=40, labels=PAYLOADS[:60], hostile=PAYLOADS, checkpoints=PAYLOADS[60:63], baseline=PAYLOADS[0]
    )
    view = View(results)
    found = [*search_figures(view), *training_figures(view), *winner_section(view).all_figures]
    for figure in found:
        for text in strings([figure.data, figure.layout]):
            assert not re.search(r"<(?!br>|/?extra>)", text), text


def test_thin_keeps_the_best_and_some_of_the_rest(view: View) -> None:
    kept, note = thin(view.ranked, 10)
    assert len(kept) == 10
    assert kept[:5] == list(view.ranked[:5])
    assert len({record.number for record in kept}) == 10
    assert note
    assert thin(view.ranked, 40) == (list(view.ranked), "")


def test_log_ticks_are_round_and_inside() -> None:
    ticks = log_ticks(1.2e-5, 4.9e-4)
    assert ticks["ticktext"] == ["3e-5", "1e-4", "3e-4"]
    assert log_ticks(1, 60)["ticktext"] == ["1", "3", "10", "30"]


@pytest.mark.parametrize(("highest", "step"), [(0, 1), (1, 1), (10, 1), (11, 2), (39, 5), (199, 20), (1999, 200)])
def test_whole_ticks_are_a_few_whole_numbers(highest: int, step: int) -> None:
    assert whole_ticks(highest)["dtick"] == step


@pytest.mark.parametrize("trials", [1, 2, 3, 6])
def test_axes_of_trials_have_no_tick_between_two_of_them(tmp_path: Path, trials: int) -> None:
    view = View(make_results(tmp_path, trials=trials))
    axes = [figure.layout["xaxis"] for figure in [*search_figures(view), *training_figures(view)]]
    counted = [found for found in axes if found["title"]["text"] == "trial number"]
    assert [found["dtick"] for found in counted] == [1, 1]
    for found in axes:
        if found["title"]["text"] == "number of trials":
            assert all(tick == int(tick) for tick in found["tickvals"])


def fronts(results: Results) -> list[Figure]:
    return [figure for figure in training_figures(View(results)) if figure.key.startswith("front-")]


def test_single_trial_has_no_front(tmp_path: Path) -> None:
    assert fronts(make_results(tmp_path, trials=1)) == []


def test_front_of_equal_scores_shows_a_fifth_of_the_score_around_it(tmp_path: Path) -> None:
    made = make_results(tmp_path, trials=6, confirm=0, final=False)
    equal = [
        record.model_copy(update={"metrics": {**record.metrics, "accuracy": 0.5}} if record.metrics else {})
        for record in made.trials
    ]
    front = fronts(replace(made, trials=tuple(equal)))[0]
    assert front.layout["yaxis"]["range"] == pytest.approx([0.4, 0.6])


@pytest.mark.parametrize(("final", "word"), [(True, "the winner"), (False, "the best so far")])
def test_curve_of_the_best_trial_is_named_by_what_it_is(tmp_path: Path, final: bool, word: str) -> None:
    results = make_results(tmp_path, trials=6, final=final)
    best = results.best()
    assert best is not None
    figure = next(figure for figure in training_figures(View(results)) if figure.key == "curves")
    assert figure.data[-1]["name"] == f"trial {best.record.number}, {word}"


def test_curves_show_trials_that_wait(tmp_path: Path) -> None:
    made = make_results(tmp_path, trials=6, final=False)
    best = made.best()
    assert best is not None
    waits = next(record for record in made.trials if record.history and record.number != best.record.number)
    trials = [r.model_copy(update={"state": TrialState.WAITING}) if r is waits else r for r in made.trials]
    figure = next(f for f in training_figures(View(replace(made, trials=tuple(trials)))) if f.key == "curves")
    assert set(trace(figure, "waiting")["customdata"]) - {None} == {waits.number}


def test_line_of_the_baseline_runs_on_both_sides_of_a_single_trial(tmp_path: Path) -> None:
    low, high = trace(history(View(make_results(tmp_path, trials=1))), "baseline")["x"]
    assert low < 0 < high


def test_long_categories_are_slanted() -> None:
    assert columns(["8", "16"])["tickangle"] == 0
    assert columns(["a long label of a class", "another"])["tickangle"] != 0


def test_joined_lines_have_gaps() -> None:
    assert joined([[1, 2], [3]]) == [1, 2, None, 3, None]


def test_arranged_leaves_no_card_alone_in_a_row(view: View) -> None:
    wide = timeline(view)
    half = history(view)
    assert wide is not None
    found = arranged([half, wide, half, half, half])
    assert [figure.wide for figure in found] == [True, True, False, False, True]


def matrix(tmp_path: Path, labels: tuple[str, ...]) -> tuple[Any, Figure, list[str]]:
    """The confusion matrix with these classes: its trace, itself, and the classes as the table names them."""
    section = winner_section(View(make_results(tmp_path, trials=4, labels=labels, rows=900, accuracy=0.5)))
    figure = next(found for found in section.figures if found.key == "confusion")
    table = next(found for found in section.tables if found.title == "Each class on test")
    return figure.data[0], figure, [row[0] for row in table.rows]


def test_many_classes_have_numbers_that_the_table_and_the_pointed_cell_explain(tmp_path: Path) -> None:
    labels = tuple(f"card_payment_of_kind_{place}" for place in range(77))
    cells, figure, named = matrix(tmp_path, labels)
    assert named == [f"{place}. {label}" for place, label in enumerate(labels, 1)]
    ticks = figure.layout["xaxis"]["ticktext"]
    assert ticks == figure.layout["yaxis"]["ticktext"]
    assert len(set(ticks)) == 30
    assert all(named[int(tick) - 1] in cells["hovertext"][0][place] for place, tick in enumerate(ticks))
    assert any(text.isdigit() for row in cells["text"] for text in row)
    assert figure.min_width > 30 * 20, "two digits have room beside their neighbours"
    assert "Classes are numbered" in figure.alt


def test_few_classes_whose_names_start_alike_are_told_apart(tmp_path: Path) -> None:
    _, figure, named = matrix(tmp_path, tuple("a very long name of a class " + end for end in ("one", "two", "three")))
    ticks = figure.layout["xaxis"]["ticktext"]
    assert len(set(ticks)) == 3
    assert [tick[:3] for tick in ticks] == [name[:3] for name in named] == ["1. ", "2. ", "3. "]


def test_few_short_classes_are_not_numbered(tmp_path: Path) -> None:
    _, figure, named = matrix(tmp_path, ("red", "green", "blue"))
    assert figure.layout["xaxis"]["ticktext"] == named == ["red", "green", "blue"]
