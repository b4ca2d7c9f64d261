from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from harness.records.results import Results
from harness.records.schema import Period, Span, TrialState
from harness.report.kit.text import number as number_text
from harness.report.kit.view import View
from harness.report.study import leaderboard
from harness.report.study.answer import answer
from harness.report.study.figures.time import timeline
from harness.report.study.figures.training import training_figures
from harness.report.study.tables import (
    cells_frame,
    finalists_frame,
    history_frame,
    slot_use,
    spans_frame,
    time_frame,
    trials_frame,
    wall_s,
)
from tests.report.factory import make_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("results"), trials=30)


@pytest.fixture(scope="module")
def view(results: Results) -> View:
    return View(results)


def test_trials_frame_has_a_row_a_trial(view: View, results: Results) -> None:
    frame = trials_frame(view)
    assert frame["number"].tolist() == list(range(30))
    first = results.trials[0]
    assert frame["params_learning_rate"][0] == first.params["learning_rate"] == 5e-5
    assert frame["accuracy"][0] == first.metrics["accuracy"]
    assert frame["duration_s"][0] == pytest.approx(first.spans[0].end - first.spans[0].start)
    assert frame["samples_per_second"][0] == pytest.approx(first.usage.steady_samples / first.usage.steady_s)
    assert frame["padding_fraction"][0] == pytest.approx(0.1)


def test_history_frame_has_a_row_an_evaluation(view: View, results: Results) -> None:
    frame = history_frame(view)
    assert len(frame) == sum(len(record.history) for record in (*results.trials, *results.confirm))
    assert set(frame["kind"]) == {"search", "confirm"}


def test_finalists_frame_holds_means_over_seeds(view: View, results: Results) -> None:
    frame = finalists_frame(view)
    number = frame["number"][0]
    runs = [record for record in results.trials if record.number == number]
    runs += [record for record in results.confirm if record.config.of == number]
    assert frame["num_seeds"][0] == len(runs) == 3
    scores = pd.Series([record.metrics["accuracy"] for record in runs])
    assert frame["accuracy"][0] == pytest.approx(scores.mean())
    assert frame["accuracy_std"][0] == pytest.approx(scores.std())


def test_speed_of_a_confirmed_trial_is_its_mean_over_seeds_everywhere(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=30, objectives=("accuracy", "samples_per_second"))
    view = View(results)
    number = finalists_frame(view)["number"][0]
    speed = finalists_frame(view)["samples_per_second"][0]
    at = [column.key for column in leaderboard.columns(view)].index("samples_per_second")
    front = next(one for one in training_figures(view) if one.key == "front-samples_per_second")
    drawn = {n: x for trace in front.data for n, x in zip(trace["customdata"], trace["x"], strict=True)}
    assert speed != pytest.approx(view.by_number[number].usage.samples_per_second, rel=1e-3)
    assert next(row.values[at] for row in leaderboard.rows(view) if row.number == number) == pytest.approx(speed)
    assert drawn[number] == pytest.approx(speed)
    told = next(one.text for one in answer(view).sentences if one.about == "Speed")
    assert told.startswith(f"{number_text(speed)} samples/s (") and "means over 3 seeds" in told


@pytest.mark.parametrize("make", [trials_frame, history_frame, finalists_frame, spans_frame, time_frame])
def test_frames_of_nothing_are_empty(make: object, tmp_path: Path) -> None:
    assert callable(make)
    frame = make(View(make_results(tmp_path, trials=0)))
    assert len(frame) == 0
    assert "number" in frame.columns


def test_spans_do_not_overlap_on_a_slot(view: View) -> None:
    for _, spans in spans_frame(view).groupby("slot"):
        assert (spans["start_s"].to_numpy()[1:] >= spans["end_s"].to_numpy()[:-1] - 1e-6).all()


def test_spans_leave_out_the_time_between_two_sweeps(results: Results) -> None:
    """A sweep was interrupted after ten seconds, and went on a day later."""
    ran = [[Span(slot=0, start=100, end=110)], [Span(slot=1, start=104, end=108), Span(slot=1, start=86500, end=86520)]]
    trials = (
        record.model_copy(update={"spans": tuple(spans)}) for record, spans in zip(results.trials[:2], ran, strict=True)
    )
    spans = spans_frame(View(replace(results, trials=tuple(trials), confirm=())))
    assert spans[["number", "start_s", "end_s"]].to_numpy().tolist() == [[0, 0, 10], [1, 4, 8], [1, 10, 30]]
    assert slot_use(spans, 30.0) == pytest.approx(34 / 60)


def test_time_is_that_of_searches_and_confirmations_idle_time_within_them_included(results: Results) -> None:
    """A search of 30 s waits for a trial, is killed, and goes on a day later; a confirmation of 20 s follows."""
    ran = [[Span(slot=0, start=105, end=110)], [Span(slot=0, start=120, end=125), Span(slot=0, start=86402, end=86410)]]
    trials = tuple(
        record.model_copy(update={"spans": tuple(spans)}) for record, spans in zip(results.trials[:2], ran, strict=True)
    )
    again = results.confirm[0].model_copy(update={"spans": (Span(slot=0, start=86411, end=86430),)})
    periods = (
        Period(phase="search", start=100),
        Period(phase="search", start=86400, end=86410.5),
        Period(phase="confirm", start=86410.5, end=86430.5),
    )
    view = View(replace(results, trials=trials, confirm=(again,), periods=periods, final=None))
    spans = spans_frame(view)
    assert spans["start_s"].to_list() == [5, 20, 27, 36]
    assert wall_s(view) == 25 + 10.5 + 20
    assert slot_use(spans, wall_s(view)) == pytest.approx((5 + 5 + 8 + 19) / 55.5)
    cost = next(sentence.text for sentence in answer(view).sentences if sentence.about == "Cost")
    assert "in 56 s (search 36 s, confirmation 20 s), 1 slot 67\u00a0% busy; preparation, " in cost
    assert cost.endswith("; preparation, baselines, test and export come on top.")
    figure = timeline(view)
    assert figure is not None and figure.alt.startswith("1 slot over 56 s: busy 67\u00a0% of the time, idle 33")


def test_slot_use_is_the_busy_share() -> None:
    spans = pd.DataFrame({"slot": [0, 0, 1], "start_s": [0.0, 6.0, 0.0], "end_s": [4.0, 10.0, 10.0]})
    assert slot_use(spans, 10.0) == pytest.approx(0.9)


def test_time_parts_add_up_to_the_time_on_a_slot(view: View, results: Results) -> None:
    frame = time_frame(view).query("kind == 'search'").set_index("number")
    for record in results.trials:
        if record.duration_s:
            assert frame.loc[record.number].drop("kind").sum() == pytest.approx(record.duration_s, rel=0.02)


def test_cells_keep_few_values_and_cut_many_on_the_scale_of_the_search(view: View) -> None:
    frame = cells_frame(view, "learning_rate", "batch_size")
    assert set(frame["y_bin"]) == {8.0, 16.0, 32.0}
    assert frame["x_bin"].nunique() <= 8
    wide = (frame["x"].max() / frame["x"].min()) ** (1 / 16)
    assert (frame["x"] / frame["x_bin"]).between(1 / wide - 1e-9, wide + 1e-9).all()


def test_view_ranks_confirmed_then_finished_then_pruned_then_failed(view: View, results: Results) -> None:
    ranked = view.ranked
    final = results.final
    assert final is not None
    assert ranked[0].number == final.winner
    assert {record.number for record in ranked[:3]} == {finalist.number for finalist in final.finalists}
    states = [record.state for record in ranked]
    order = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    assert states == sorted(states, key=order.index)
    finished = [view.score(record) for record in ranked[3:] if record.state is TrialState.COMPLETE]
    assert finished == sorted(finished, reverse=True)


def test_view_ranks_trials_of_one_rung_by_score_whatever_their_batch_size(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=60))
    first = [record for record in view.ranked if record.state is TrialState.PRUNED and len(record.history) == 1]
    assert len({record.history[-1].fraction for record in first}) > 1, "steps are whole: batch sizes round a share"
    scores = [view.score(record) for record in first]
    assert scores == sorted(scores, reverse=True)


def test_view_ranks_low_first_where_less_is_better(tmp_path: Path) -> None:
    view = View(make_results(tmp_path, trials=20, objectives=("log_loss",), final=False, confirm=0))
    finished = [view.score(record) for record in view.ranked if record.state is TrialState.COMPLETE]
    assert finished == sorted(finished)


def test_view_averages_completed_runs_only(view: View, results: Results) -> None:
    winner = view.ranked[0]
    runs = [record for record in results.confirm if record.config.of == winner.number]
    scores = [winner.metrics["accuracy"], *(record.metrics["accuracy"] for record in runs)]
    assert view.mean(winner) == pytest.approx(sum(scores) / 3)


def test_view_takes_the_confirmation_of_a_pruned_default_for_its_score(view: View, results: Results) -> None:
    pruned = next(record for record in results.trials if record.state is TrialState.PRUNED)
    again = results.confirm[0].model_copy(
        update={"config": results.confirm[0].config.model_copy(update={"of": pruned.number})}
    )
    changed = View(
        Results(
            folder=results.folder, spec=results.spec, trials=results.trials, confirm=(again,), baselines=(),
            final=None, manifest=results.manifest,
        )
    )  # fmt: skip
    assert changed.seeds(pruned) == (again,)
