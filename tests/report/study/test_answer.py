from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers, read_answers, write_answers
from harness.records.decisions import finish_keys
from harness.records.final import Final, FinalModel
from harness.records.live import Live
from harness.records.results import Results
from harness.records.schema import PruneReason, TrialRecord, TrialState
from harness.report.kit.text import probability_text
from harness.report.kit.view import View
from harness.report.study import leaderboard, objectives
from harness.report.study.answer import answer
from harness.report.study.figures.search import search_figures
from harness.report.study.figures.training import training_figures
from harness.report.study.summary import summary
from harness.report.study.winner import models_table
from harness.runtime import program
from harness.spec.study import BudgetSpec
from harness.stats.intervals import Interval
from harness.terminal.words import state_of
from tests.report.factory import make_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("results"), trials=30)


def changed(results: Results, **fields: Any) -> Results:
    names = ("folder", "spec", "trials", "confirm", "baselines", "final", "manifest", "live")
    return Results(**({name: getattr(results, name) for name in names} | fields))


def final_of(results: Results) -> Final:
    assert results.final is not None
    return results.final


def texts(results: Results) -> dict[str, str]:
    return {sentence.about: sentence.text for sentence in answer(View(results)).sentences}


def test_answer_names_trial_params_and_score(results: Results) -> None:
    told = answer(View(results))
    winner = final_of(results).models[0]
    assert told.headline == f"Use the model of trial {final_of(results).winner}"
    assert [name for name, _ in told.params] == ["learning rate", "batch size", "warmup fraction", "weight decay"]
    assert told.score == f"{100 * winner.test['accuracy'].value:.1f}\u00a0%"
    assert "95 % interval" in told.score_of


def test_answer_has_one_sentence_for_each_question(results: Results) -> None:
    assert list(texts(results)) == [
        "Against the runner-up", "Against the default recipe", "Against the baseline", "Validation to test",
        "Test rows", "Speed", "Predicts", "Cost", "Exported", "Try it", "Try next: validation",
    ]  # fmt: skip
    assert all(text.endswith(".") for about, text in texts(results).items() if not about.startswith("Try "))


def test_answer_calls_a_tie_a_tie(results: Results) -> None:
    final = final_of(results)
    for tie, probability, start in ((True, 0.9, "Cannot be told apart"), (False, 0.9, "Better"), (False, 0.1, "Worse")):
        compared = tuple(one.model_copy(update={"tie": tie, "probability": probability}) for one in final.comparisons)
        told = texts(changed(results, final=final.model_copy(update={"comparisons": compared})))
        sure = "" if tie else f" (probability of being better {100 * probability:.0f}\u00a0%)"
        assert told["Against the runner-up"].startswith(f"{start}{sure}: ")
        assert ("Validation may have been unlucky" in told["Against the runner-up"]) == (start == "Worse")
        assert "unlucky" not in told["Against the baseline"]


def with_validation(results: Results, right: int, rows: int) -> Results:
    """The winner has `right` of `rows` validation rows right."""
    final, labels = final_of(results), np.zeros(rows, dtype=int)
    winner = final.models[0].model_copy(update={"validation": {"accuracy": right / rows}, "predictions": "other.npz"})
    validation = Answers({"probabilities": np.eye(3)[(np.arange(rows) >= right) * 1]}, {"labels": labels})
    test = read_answers(results.folder / final.models[0].predictions, "test")
    write_answers(results.folder / "other.npz", {"validation": validation, "test": test})
    return changed(results, final=final.model_copy(update={"models": (winner, *final.models[1:])}))


def test_answer_judges_the_gap_by_the_rows_of_both_splits(results: Results) -> None:
    test = final_of(results).models[0].test["accuracy"]
    share = test.high + 0.02
    few, many = (texts(with_validation(results, round(share * n), n))["Validation to test"] for n in (60, 20_000))
    assert "no larger than chance explains" in few, "outside the test interval, and yet 60 rows are few"
    assert "larger than chance explains; trust the test figure" in many
    assert "no larger" not in many


def test_answer_judges_the_gap_by_the_number_of_rows_without_the_predictions(results: Results) -> None:
    final = final_of(results)
    gone = final.models[0].model_copy(update={"predictions": "gone.npz"})
    without = changed(results, final=final.model_copy(update={"models": (gone, *final.models[1:])}))
    assert "chance explains" in texts(without)["Validation to test"]
    data = without.manifest.data.model_copy(update={"rows": {}})
    unknown = replace(without, manifest=without.manifest.model_copy(update={"data": data}))
    assert texts(unknown)["Validation to test"].endswith("on test.")


def test_answer_names_both_objectives_and_what_one_costs_in_the_other(tmp_path: Path) -> None:
    names = ("accuracy", "samples_per_second")
    results = make_results(tmp_path, trials=30, objectives=names, prune=False)
    view = View(results)
    told = texts(results)["Objectives"]
    points = {
        record.number: [view.task.metric(name).compared(view.mean(record, name)) for name in names]
        for record in view.completed
    }
    front = [
        a
        for a, mine in points.items()
        if not any(all(x >= y for x, y in zip(b, mine, strict=True)) and b != mine for b in points.values())
    ]
    assert told.startswith("accuracy and samples/s; accuracy decides. ")
    assert f"{len(front)} of {len(points)} completed trials are on the Pareto front" in told
    for place, name in enumerate(("accuracy", "samples/s")):
        assert f"best in {name} is trial {max(points, key=lambda number: points[number][place])} (" in told
    assert "Objectives" not in texts(make_results(tmp_path / "one", trials=5))
    alone = texts(make_results(tmp_path / "alone", trials=1, objectives=names))["Objectives"]
    assert alone == "accuracy and samples/s; accuracy decides."


def test_answer_says_that_a_cost_within_2_percent_is_equal(tmp_path: Path) -> None:
    """Memory depends on the batch size alone in these studies: of those with the least, one other has 1 MiB less."""
    results = make_results(tmp_path, trials=12, objectives=("accuracy", "peak_memory_mib"), prune=False)
    assert "counts in steps" not in texts(results)["Objectives"]
    view = View(results)
    least = min(view.mean(record, "peak_memory_mib") for record in view.completed)
    equals = [record for record in view.completed if view.mean(record, "peak_memory_mib") == least]
    other = next(record for record in equals if record.number not in view.confirmations and record is not view.winner)
    lighter = other.model_copy(update={"metrics": other.metrics | {"peak_memory_mib": least - 1, "accuracy": 0.2}})
    trials = tuple(lighter if record is other else record for record in results.trials)
    told = texts(replace(results, trials=trials))["Objectives"]
    assert told.endswith(
        f"Trial {other.number} has peak memory {least - 1:.0f} MiB, which is equal: peak memory counts in steps of "
        "2\u00a0%, by which measurements of one thing differ."
    )


@pytest.mark.parametrize("cost", ["samples_per_second", "peak_memory_mib"])
def test_leaderboard_shows_all_objectives_before_params_and_marks_the_front(tmp_path: Path, cost: str) -> None:
    results = make_results(tmp_path, trials=30, objectives=("accuracy", cost), prune=False)
    view = View(results)
    keys = [column.key for column in leaderboard.columns(view)]
    assert keys.index("accuracy") < keys.index(cost) < keys.index("learning_rate") < keys.index("tokens_per_second")
    assert len(keys) == len(set(keys))
    marked = [row.number for row in leaderboard.rows(view) if "front" in row.roles]
    assert f"{len(marked)} of {len(view.completed)} completed trials" in texts(results)["Objectives"]
    assert view.winner is not None and view.winner.number in marked
    assert "Pareto front" in leaderboard.caption(view)
    one = View(make_results(tmp_path / "one", trials=5))
    assert not any("front" in row.roles for row in leaderboard.rows(one))
    assert "front" not in leaderboard.caption(one)


def test_no_trial_beyond_a_constraint_is_on_the_front(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=30, objectives=("accuracy", "samples_per_second"), prune=False)
    free = View(results)
    fastest = max(free.completed, key=lambda record: free.mean(record, "samples_per_second"))
    limit = f"samples_per_second < {free.mean(fastest, 'samples_per_second') - 1:.0f}"
    search = results.spec.search.model_copy(update={"constraints": (limit,)})
    view = View(replace(results, spec=results.spec.model_copy(update={"search": search})))
    assert fastest in objectives.on_front(free) and fastest not in objectives.on_front(view)
    assert (
        f"of {len(view.eligible)} completed trials that meet the constraints are on"
        in texts(view.results)["Objectives"]
    )
    figure = next(figure for figure in training_figures(view) if figure.key == "front-samples_per_second")
    assert fastest.number in figure.data[0]["customdata"] and fastest.number not in figure.data[1]["customdata"]


def test_answer_names_the_default_recipe_when_it_wins(results: Results) -> None:
    told = answer(View(changed(results, final=final_of(results).model_copy(update={"winner": 0}))))
    assert told.headline.endswith("trial 0 (the default recipe)")


def with_models(results: Results, *models: FinalModel, trials: tuple[TrialRecord, ...] = ()) -> dict[str, str]:
    final = final_of(results).model_copy(update={"models": models})
    return texts(changed(results, final=final, trials=trials or results.trials))


@pytest.mark.parametrize(
    ("probability", "tie", "headline"),
    [
        (0.04, False, "Not shown to be better than TF-IDF + logistic regression"),
        (0.04, True, "Not shown to be better than TF-IDF + logistic regression"),
        (0.96, True, "Not shown to be better than TF-IDF + logistic regression"),
        (0.96, False, "Use the model of trial {}"),
    ],
)
def test_answer_puts_no_trial_forward_that_is_not_surely_better_than_a_baseline(
    results: Results, probability: float, tie: bool, headline: str
) -> None:
    final, found = final_of(results), {"probability": probability, "tie": tie}
    compared = tuple(one.model_copy(update=found) if one.b == "baseline" else one for one in final.comparisons)
    told = answer(View(changed(results, final=final.model_copy(update={"comparisons": compared}))))
    assert told.headline == headline.format(final.winner)
    assert told.more == (f"the best of the trials is trial {final.winner}" if headline.startswith("Not") else "")


def test_headline_names_one_baseline_without_what_it_has_in_brackets(results: Results) -> None:
    winner, second, default, baseline = final_of(results).models
    names = {"baseline": "TF-IDF (word 1-2-grams) + logistic regression", "baseline-2": "majority class"}
    models = [baseline.model_copy(update={"role": role, "name": name}) for role, name in names.items()]
    pair = next(one for one in final_of(results).comparisons if one.b == "baseline").model_copy(update={"tie": True})
    pairs = tuple(pair.model_copy(update={"b": role}) for role in names)
    final = final_of(results).model_copy(
        update={"models": (winner, second, default, *models), "comparisons": pairs, "winner": 0}
    )
    told = answer(View(changed(results, final=final)))
    assert told.headline == "Not shown to be better than TF-IDF + logistic regression"
    assert told.more == "nor than majority class; the best of the trials is trial 0 (the default recipe)"


def test_answer_does_not_compare_the_pick_with_itself(results: Results) -> None:
    winner, second, default, baseline = final_of(results).models
    same = default.model_copy(update={"number": winner.number})
    told = with_models(results, winner, second, same, baseline)
    assert told["Against the default recipe"] == f"Trial {winner.number} is the default recipe itself."
    told = with_models(results, winner, second, same.model_copy(update={"seed": 4}), baseline)
    score = f"{100 * same.test['accuracy'].value:.1f}\u00a0%"
    assert told["Against the default recipe"] == (
        f"Trial {winner.number} is the default recipe itself, here with seed 0; with seed 4 it has {score}."
    )


def test_answer_tells_of_a_trial_in_two_roles_once(results: Results) -> None:
    winner, second, default, baseline = final_of(results).models
    told = with_models(results, winner, second, second.model_copy(update={"role": "default"}), baseline)
    assert [about for about in told if about.startswith("Against")] == [
        "Against the runner-up and the default recipe", "Against the baseline",
    ]  # fmt: skip
    assert told["Against the runner-up and the default recipe"].count(f"trial {second.number}") == 1
    other = default.model_copy(update={"number": second.number, "seed": 4})
    text = with_models(results, winner, second, other, baseline)["Against the runner-up and the default recipe"]
    assert text.index(f"trial {second.number} with seed 0 has") < text.index(f"trial {second.number} with seed 4 has")


def test_answer_says_why_there_is_no_runner_up_and_no_default(results: Results) -> None:
    winner, _, _, baseline = final_of(results).models
    cut = results.trials[0].model_copy(update={"state": TrialState.PRUNED, "history": results.trials[0].history[:1]})
    told = with_models(results, winner, baseline, trials=(cut, *results.trials[1:]))
    assert told["Against the runner-up"] == "Only one configuration was confirmed, so there is none."
    assert told["Against the default recipe"] == (
        "The default recipe (trial 0) was pruned at 6\u00a0%, so it has no test score."
    )
    told = with_models(results, winner, baseline, trials=(cut, results.trials[winner.number or 0]))
    assert told["Against the runner-up"] == "No other trial completed, so there is none."


def test_answer_repeats_the_warnings_of_the_decision(results: Results) -> None:
    found = final_of(results).warnings
    assert answer(View(results)).warnings[: len(found)] == found


def test_answer_says_that_the_values_changed_in_mid_training(results: Results) -> None:
    mutations = [{"fraction": 0.0, "params": {}}, *({"fraction": at, "from": 3, "params": {}} for at in (0.25, 0.5))]
    trials = tuple(record.model_copy(update={"extra": {"mutations": mutations}}) for record in results.trials)
    found = changed(results, trials=trials)
    number = final_of(results).winner
    assert answer(View(found)).headline == f"Use the model of trial {number}"
    warning = f"The values of trial {number} changed during training (2 times), and those shown are the last ones"
    assert any(text.startswith(warning) for text in answer(View(found)).warnings)
    assert found.to_json()["trials"][number]["mutations"] == mutations
    assert "mutations" not in results.to_json()["trials"][number]


def test_answer_says_that_time_ran_out(results: Results) -> None:
    search = results.spec.search.model_copy(update={"trials": 40})
    spec = results.spec.model_copy(update={"search": search, "budget": BudgetSpec(minutes=30)})
    given_up = [record.model_copy(update={"message": "budget"}) for record in results.trials[-2:]]
    trials = (*results.trials[:-2], *given_up)
    cut = replace(changed(results, spec=spec, trials=trials), spent_s=1800.0)
    told = "The budget of 30 minutes ended the search early: of 40 trials 2 were given up and 10 were not begun."
    assert told in answer(View(cut)).warnings
    assert not any("budget" in warning for warning in answer(View(results)).warnings)


def test_answer_names_a_better_trial_that_the_budget_gave_up(results: Results) -> None:
    """The budget that was over is the one that is named, also after it was raised."""
    winner = final_of(results).winner
    rival = next(record for record in results.trials if record.state is TrialState.PRUNED)
    history = (rival.history[-1].model_copy(update={"metrics": rival.metrics | {"accuracy": 0.999}}),)
    better = rival.model_copy(
        update={"message": "budget", "reason": None, "history": history, "metrics": history[-1].metrics}
    )
    trials = tuple(better if record is rival else record for record in results.trials)
    spec = results.spec.model_copy(update={"budget": BudgetSpec(minutes=9)})
    cut = replace(changed(results, spec=spec, trials=trials), closed_after_minutes=4.0)
    warnings = answer(View(cut)).warnings
    assert f"The budget of 4 minutes ended the search early: of {len(trials)} trials 1 was given up." in warnings
    (named,) = [text for text in warnings if text.startswith(f"Trial {better.number} was given up for lack of time at")]
    assert "and was better there than the winner is at its end: accuracy 99.9\u00a0% against" in named
    assert f"export RUN --trial {better.number} --to FOLDER" in named
    assert winner != better.number


def test_answer_without_a_decision_is_of_validation(results: Results) -> None:
    told = answer(View(changed(results, final=None)))
    assert told.headline.startswith("Best so far: trial")
    assert "test not opened yet" in told.score_of
    assert any("has not been opened" in warning for warning in told.warnings)


def test_answer_of_a_running_study_says_how_far_it_has_come(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=6, fail_every=0, prune=False, final=False, confirm=0)
    search = results.spec.search.model_copy(update={"trials": 16})
    running = [
        record.model_copy(update={"state": TrialState.RUNNING, "history": record.history[:1]})
        for record in results.trials[4:]
    ]
    spec = results.spec.model_copy(update={"search": search})
    started = changed(results, spec=spec, trials=(*results.trials[:4], *running))
    best = max(started.trials[:4], key=lambda record: record.metrics["accuracy"])
    told = answer(View(started))
    assert told.headline == "4 of 16 trials have ended, 2 are running"
    assert told.more == (f"Best so far: trial {best.number} (accuracy {100 * best.metrics['accuracy']:.1f}\u00a0%)")
    early = answer(View(changed(started, trials=(running[0],))))
    assert early.headline == "0 of 16 trials have ended, 1 is running"
    assert early.more.startswith("Best so far: trial 4 (accuracy ")
    assert early.more.endswith("at 6\u00a0% of its training)")
    blank = running[0].model_copy(update={"history": (), "metrics": {}})
    told = answer(View(changed(started, trials=(blank,))))
    assert (told.headline, told.more) == ("0 of 16 trials have ended, 1 is running", "")


def test_answer_of_before_a_study_went_on_is_called_so(tmp_path: Path) -> None:
    """Eight trials of which the last was interrupted follow on a decision of six."""
    results = make_results(tmp_path, trials=8, fail_every=0, prune=False)
    left = results.trials[7].model_copy(update={"state": TrialState.RUNNING})
    final = final_of(results).model_copy(update={"of": finish_keys(results.spec) | {"trials": 6}})
    live = Live(pid=os.getpid(), started_at=1.0)  # before this process, which has its number, began
    went_on = changed(results, trials=(*results.trials[:7], left), final=final, live=live)
    assert went_on.outdated and went_on.interrupted
    told = answer(View(went_on))
    assert told.headline == "Interrupted: 7 of 8 trials have ended, 1 is interrupted"
    assert told.more == f"The answer below is of before the study went on: use the model of trial {final.winner}"
    assert any(
        line.startswith("Winner, test scores and exported model were decided with 6 trials of now 8")
        for line in told.warnings
    )
    assert View(went_on).roles(final.winner or 0)[0] == "winner before"
    assert not any(sentence.about.startswith("Try next") for sentence in told.sentences), "it is not at its end"
    assert went_on.to_json()["interrupted"] is went_on.to_json()["outdated"] is True
    running = answer(View(changed(went_on, live=Live(pid=os.getpid(), started_at=time.time() + 60))))
    assert running.headline == "7 of 8 trials have ended, 1 is running"
    done = changed(results, final=final.model_copy(update={"of": finish_keys(results.spec)}), live=live)
    assert not (
        done.outdated or done.interrupted or any("were decided" in line for line in answer(View(done)).warnings)
    )


def test_answer_of_failed_trials_says_why(tmp_path: Path) -> None:
    told = answer(View(make_results(tmp_path, trials=3, only_failed=True)))
    assert told.headline == "No trial was completed"
    assert told.warnings == ("Every trial failed; the first said: the loss is not finite at step 40.",)


def test_answer_counts_failures_when_there_are_many(tmp_path: Path) -> None:
    told = answer(View(make_results(tmp_path, trials=12, fail_every=3)))
    assert "4 trials of 12 failed: see the reasons in the leaderboard." in told.warnings


@pytest.mark.parametrize(
    ("value", "text"), [(0.9991, "above 99\u00a0%"), (0.5, "50\u00a0%"), (0.001, "below 1\u00a0%")]
)
def test_probability_claims_no_certainty(value: float, text: str) -> None:
    assert probability_text(value) == text


def test_leaderboard_has_every_trial_and_sorts_by_number_not_text(results: Results) -> None:
    view = View(results)
    columns, rows = leaderboard.columns(view), leaderboard.rows(view)
    assert sorted(row.number for row in rows) == list(range(30))
    keys = [column.key for column in columns]
    for key in ("learning_rate", "samples_per_second", "peak_memory_mib", "duration_s"):
        place = keys.index(key)
        assert columns[place].numeric
        assert all(isinstance(row.values[place], float) for row in rows if row.texts[place] != "–")
    assert rows[0].roles == ("winner",)


def test_peak_memory_is_the_mean_over_the_seeds_as_every_metric_is(results: Results) -> None:
    view = View(results)
    pick = view.winner
    assert pick is not None
    peaks = [run.metrics["peak_memory_mib"] for run in view.seeds(pick)]
    assert len(peaks) > 1
    confirm = tuple(
        record.model_copy(update={"metrics": record.metrics | {"peak_memory_mib": 4096.0 + record.seed}})
        for record in results.confirm
    )
    assert view.cost(pick, "peak_memory_mib") == pytest.approx(np.mean(peaks))
    changed_view, row = View(replace(results, confirm=confirm)), replace(results, confirm=confirm).best()
    assert row is not None
    mean = changed_view.cost(pick, "peak_memory_mib")
    assert mean == row.metrics["peak_memory_mib"] == pytest.approx(np.mean([peaks[0], *range(4097, 4096 + len(peaks))]))


def test_leaderboard_says_that_a_pruned_trial_was_trained_to_its_end_for_test(results: Results) -> None:
    tested = next(model.number for model in View(results).models.values() if model.role == "default")
    trials = tuple(
        record.model_copy(update={"state": TrialState.PRUNED, "history": record.history[:1]})
        if record.number == tested
        else record
        for record in results.trials
    )
    view = View(replace(results, trials=trials))
    place = [column.key for column in leaderboard.columns(view)].index("state")
    states = {row.number: row.texts[place] for row in leaderboard.rows(view)}
    assert states[tested] == "pruned at 6\u00a0%, trained to its end for test"
    assert sum("trained to its end" in text for text in states.values()) == 1


def test_leaderboard_says_where_a_trial_ran_when_there_are_several_places(results: Results) -> None:
    assert "place" not in [column.key for column in leaderboard.columns(View(results))]
    first, *others = results.trials
    assert first.place is not None
    moved = first.model_copy(update={"place": first.place.model_copy(update={"node": "other", "device": "cuda:1"})})
    view = View(replace(results, trials=(moved, *others)))
    at = [column.key for column in leaderboard.columns(view)].index("place")
    shown = {row.number: row.texts[at] for row in leaderboard.rows(view)}
    assert shown[first.number] == "other cuda:1" and set(shown.values()) == {"other cuda:1", "box cpu"}


def test_leaderboard_gives_the_reason_of_a_failure(results: Results) -> None:
    failed = [row for row in leaderboard.rows(View(results)) if row.state == "FAIL"]
    assert failed
    assert all(row.texts[-1] == "nan: the loss is not finite at step 40" for row in failed)


def test_leaderboard_says_how_far_a_pruned_trial_came(results: Results) -> None:
    view = View(results)
    at = [column.key for column in leaderboard.columns(view)].index("state")
    states = {row.texts[at] for row in leaderboard.rows(view) if row.state == "PRUNED"}
    assert states <= {"pruned at 6\u00a0%", "pruned at 25\u00a0%"}


WHY = "rung 1 of 3: 9th of 16, the best 4 went on; 71.2 % against 78.0 %"


def with_reasons(results: Results) -> Results:
    """As today's searches write pruned trials; the factory's are as they were before."""
    reason = {"reason": PruneReason.RUNG, "message": WHY}
    trials = (
        record.model_copy(update=reason) if record.state is TrialState.PRUNED else record for record in results.trials
    )
    return replace(results, trials=tuple(trials))


def test_leaderboard_gives_the_rung_of_a_pruned_trial(results: Results) -> None:
    pruned = [row for row in leaderboard.rows(View(with_reasons(results))) if row.state == "PRUNED"]
    assert pruned
    assert {(row.texts[-1], row.values[-1]) for row in pruned} == {(WHY, "rung")}
    before = [row for row in leaderboard.rows(View(results)) if row.state == "PRUNED"]
    assert {(row.texts[-1], row.values[-1]) for row in before} == {("", "")}, "trials of before have none"


def test_details_of_a_pruned_trial_say_why(results: Results) -> None:
    found = leaderboard.details(View(with_reasons(results)))
    numbers = [str(record.number) for record in results.trials if record.state is TrialState.PRUNED]
    assert {found[number]["message"] for number in numbers} == {WHY}
    assert all(f"pruned: {WHY}" in found[number]["log"].splitlines() for number in numbers)


def test_details_have_commands_that_a_shell_takes(tmp_path: Path) -> None:
    folder = tmp_path / "my runs; rm -rf $HOME"
    found = leaderboard.details(View(make_results(folder, trials=3, fail_every=0)))["1"]
    assert found["rerun"] == f"{program()} rerun '{folder.resolve()}/runs/reviews' 1"
    assert found["export"].endswith("--trial 1 --to model-1")


def test_details_hold_the_end_of_a_long_log(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=2, fail_every=0)
    (results.folder / "trials/1/log.txt").write_text("\n".join(f"line {n}" for n in range(5000)), encoding="utf-8")
    log = leaderboard.details(View(results))["1"]["log"].splitlines()
    assert log[-1] == "line 4999"
    assert len("\n".join(log)) <= 3000
    told = [line for line in log if not line.startswith("line ")]
    assert told == log[: len(told)]
    assert [line.split(":")[0] for line in told[:-1]] == [
        f"step {progress.step:,} of {progress.total_steps:,}, epoch {progress.epoch:.2f}"
        for progress in results.trials[1].history
    ]
    assert told[-1] == results.trials[1].state.value.lower()


def test_summary_is_short_and_escapes_markup(tmp_path: Path) -> None:
    foreign = "a | b\n<img src=x> @team [x](http://evil.test) `code`"
    results = make_results(tmp_path, trials=30, baseline=foreign, warning=foreign)
    view = View(results)
    columns, rows = leaderboard.columns(view), leaderboard.rows(view)
    text = summary(view, answer(view), models_table(view), leaderboard.caption(view), columns, rows)
    assert text.startswith("## reviews: Use the model of trial")
    assert "20 more trials are in" in text
    assert len(text) < 8000
    for mark in ("<img", "@team", "](http", "`code`"):
        assert mark not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    head = [line.count("|") for line in tables]
    assert len(set(head)) == 2, "every row of a table has as many cells as its head"


@pytest.mark.parametrize(
    ("objective", "title", "gain"),
    [
        ("macro_f1", "macro F1", r"[+−]\d+\.\d points of macro F1 \("),
        ("log_loss", "log loss", r"\d\.\d{3} (less|more) log loss \("),
    ],
)
def test_comparisons_are_by_the_first_objective(tmp_path: Path, objective: str, title: str, gain: str) -> None:
    results = make_results(tmp_path, trials=12, objectives=(objective,))
    told = answer(View(results))
    assert told.score_of.startswith(f"test {title}, 95 % interval")
    against = next(one.text for one in told.sentences if one.about == "Against the runner-up")
    assert re.search(gain, against), against
    assert results.final is not None
    assert all(comparison.metric == objective for comparison in results.final.comparisons)
    assert all(comparison.mcnemar_p is None for comparison in results.final.comparisons)


def test_baseline_without_a_value_of_the_metric_is_no_rival(results: Results) -> None:
    """The mean has no correlation: it is neither better nor equal."""
    final = final_of(results)
    unknown = Interval(value=float("nan"), low=float("nan"), high=float("nan"))
    pairs = tuple(
        pair.model_copy(update={"tie": True, "difference": unknown}) if pair.b == "baseline" else pair
        for pair in final.comparisons
    )
    changed_results = changed(results, final=final.model_copy(update={"comparisons": pairs}))
    assert answer(View(changed_results)).headline == f"Use the model of trial {final.winner}"
    against = texts(changed_results)["Against the baseline"]
    assert against.startswith("Not comparable with TF-IDF")
    assert "nan" not in against
    models = [
        model.model_copy(update={"test": {**model.test, "accuracy": unknown}}) if model.kind == "baseline" else model
        for model in final.models
    ]
    without = changed(results, final=final.model_copy(update={"comparisons": pairs, "models": tuple(models)}))
    assert texts(without)["Against the baseline"].endswith(", whose accuracy is not defined.")
    baseline = next(model for model in models if model.kind == "baseline")
    path = results.folder / baseline.predictions
    kept = read_answers(path, "test")
    probabilities = np.tile([0.5, 0.3, 0.2], (len(kept), 1))
    write_answers(path, {"test": Answers({"probabilities": probabilities}, kept.targets)})
    assert texts(without)["Against the baseline"].endswith(
        ", which gives every row the same answer, so that its accuracy is not defined."
    )
    write_answers(path, {"test": kept})


def pruned_at(record: TrialRecord, step: int, total_steps: int) -> TrialRecord:
    """The record, pruned at the rung after `step` of `total_steps`."""
    last = record.history[-1].model_copy(update={"step": step, "total_steps": total_steps})
    ending = {"state": TrialState.PRUNED, "reason": PruneReason.RUNG, "history": (last,)}
    return record.model_copy(update=ending)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (
            [3] * 9 + [13] * 5,
            "14 of 18 trials were stopped after at most 25\u00a0% of their training (3 to 13 steps).",
        ),
        (
            [3] * 10 + [13] * 5,
            "10 of 18 trials were stopped after at most 6\u00a0% of their training (3 steps).",
        ),
        (
            [3] * 9 + [14] * 5,
            "14 of 18 trials were stopped after at most 27\u00a0% of their training (3 to 14 steps).",
        ),
        ([3] * 9, None),
    ],
)
def test_answer_says_after_how_many_steps_most_trials_were_judged(
    tmp_path: Path, steps: list[int], sentence: str | None
) -> None:
    results = make_results(tmp_path, trials=18, prune=False, fail_every=0)
    ends = [pruned_at(record, step, 52) for record, step in zip(results.trials[18 - len(steps) :], steps, strict=True)]
    stopped = replace(results, trials=(*results.trials[: 18 - len(steps)], *ends))
    assert texts(stopped).get("Pruning") == sentence
    if sentence is not None:
        shown = {words.split(" at ")[1] for words in map(state_of, stopped.trials) if words.startswith("pruned at ")}
        assert any(f"at most {share} of" in sentence for share in shown), "as terminal and leaderboard say it"


def test_answer_says_nothing_of_trials_that_were_pruned_late(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12, prune=False, fail_every=0)
    ends = [pruned_at(record, 45, 52) for record in results.trials[2:]]
    assert "Pruning" not in texts(replace(results, trials=(*results.trials[:2], *ends)))


def test_answer_names_the_step_of_the_exported_weights(results: Results) -> None:
    winner = final_of(results).models[0]
    runs = (*results.trials, *results.confirm)
    (run,) = [run for run in runs if winner.number in (run.config.of, run.number) and run.seed == winner.seed]
    early = run.model_copy(update={"best_step": 7})
    told = texts(
        replace(
            results,
            trials=tuple(early if record is run else record for record in results.trials),
            confirm=tuple(early if record is run else record for record in results.confirm),
        )
    )["Exported"]
    assert f"seed {winner.seed}, with the weights after step 7 of {run.history[-1].total_steps:,}" in told


def limited(results: Results, *constraints: str, final: Final | None) -> Results:
    search = results.spec.search.model_copy(update={"constraints": constraints})
    return changed(results, spec=results.spec.model_copy(update={"search": search}), final=final)


def test_answer_says_how_the_winner_meets_the_constraints(results: Results) -> None:
    told = texts(limited(results, "samples_per_second >= 100", "accuracy >= 10%", final=results.final))["Constraints"]
    winner = View(results).winner
    assert winner is not None
    assert told.startswith(f"On validation trial {winner.number} has samples/s ")
    slow = [record for record in View(results).completed if View(results).mean(record, "samples_per_second") < 100]
    assert f"completed trials {len(slow)} violate samples_per_second >= 100." in told
    assert "Constraints" not in texts(results)


def test_page_calls_no_trial_beyond_a_constraint_the_best(results: Results) -> None:
    best = max(View(results).completed, key=View(results).mean)
    view = View(limited(results, f"accuracy < {View(results).mean(best)}", final=None))
    assert best not in view.eligible
    assert view.winner is not None
    told = {figure.key: figure for figure in search_figures(view)}
    top = view.score_text(max(view.score(record) for record in view.eligible))
    assert f"the best completed trial that meets the constraints reaches {top}." in told["history"].alt
    assert "all that meet the constraints are better than those that do not" in told["parallel"].alt
    assert all("violate a constraint count too" in told[key].note for key in ("expected-best", "map", "slice-0"))
    place = [column.key for column in leaderboard.columns(view)].index("state")
    states = {row.number: row.texts[place] for row in leaderboard.rows(view)}
    assert (states[best.number], states[view.winner.number]) == ("complete, violates", "complete")


def test_answer_says_that_the_default_recipe_violates_a_constraint(results: Results) -> None:
    score = View(results).mean(View(results).by_number[0])
    told = texts(limited(results, f"accuracy > {score}", final=None))["Constraints"]
    assert "The default recipe, trial 0, is beyond a limit: it has accuracy " in told
    assert "default recipe" not in texts(limited(results, "accuracy > 0.01", final=None))["Constraints"]


def test_answer_without_a_winner_names_the_nearest_trial(results: Results) -> None:
    final = final_of(results)
    none = limited(results, "samples_per_second >= 1e6", final=Final(finalists=final.finalists[::-1]))
    nearest = none.nearest()
    assert nearest is not None and nearest.record.number == final.finalists[-1].number
    told = answer(View(none))
    assert told.headline.startswith(
        f"No confirmed trial meets all constraints: trial {nearest.record.number} is nearest,"
    )
    assert told.headline.endswith("(samples_per_second >= 1e6)")
    assert "Use" not in told.headline
    assert (told.params, told.score) == ((), "")
    assert none.best() is None and View(none).winner is None
    assert none.to_json()["best"] is None
    assert summary(View(none), told, None, "", leaderboard.columns(View(none)), leaderboard.rows(View(none)))


def test_leaderboard_has_the_constraints_that_trials_violate(results: Results) -> None:
    view = View(limited(results, "samples_per_second >= 100", final=None))
    place = [column.key for column in leaderboard.columns(view)].index("violates")
    cells = {row.number: row.texts[place] for row in leaderboard.rows(view)}
    speeds = {record.number: view.mean(record, "samples_per_second") for record in view.completed}
    assert {cells[number] for number, speed in speeds.items() if speed < 100} == {"samples_per_second >= 100"}
    assert {cells[number] for number, speed in speeds.items() if speed >= 100} == {""}
    assert "violates" not in [column.key for column in leaderboard.columns(View(results))]
