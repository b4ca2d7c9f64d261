from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.answers import Answers, write_answers
from harness.records.results import Results
from harness.records.schema import TrialState
from harness.report.kit.view import View
from harness.report.study.checkpoints import Candidate, candidates, checkpoint_choices, checkpoints_section
from harness.report.study.checkpoints.pairs import Pair, holm, pairs_of, ranks
from harness.report.study.page import write_report
from tests.report.factory import make_results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return make_results(tmp_path, trials=30, checkpoints=("org/large", "org/small"))


def with_weights(results: Results, numbers: list[int]) -> Results:
    """The results with a weights folder for some trials."""
    trials = []
    for record in results.trials:
        weights = f"trials/{record.number}/weights" if record.number in numbers else None
        trials.append(record.model_copy(update={"weights": weights}))
        if weights:
            (results.folder / weights).mkdir(parents=True, exist_ok=True)
    names = ("folder", "spec", "confirm", "baselines", "manifest", "live")
    return Results(trials=tuple(trials), final=None, **{name: getattr(results, name) for name in names})


def test_candidates_are_the_best_of_each_checkpoint(results: Results) -> None:
    found = candidates(View(results))
    assert {one.checkpoint for one in found} == {"org/large", "org/small"}
    assert found[0].score.value >= found[1].score.value
    for one in found:
        own = [record for record in results.trials if record.config.model.checkpoint == one.checkpoint]
        assert one.num_trials == len(own) == 15
        assert one.best in own
        again = [run for run in results.confirm if run.config.of in {record.number for record in own}]
        assert one.cost_s == pytest.approx(sum(run.duration_s for run in (*own, *again)))


def test_first_layers_of_a_checkpoint_are_a_checkpoint_of_their_own(tmp_path: Path) -> None:
    names = ("org/minilm", "org/minilm#layers=3")
    view = View(make_results(tmp_path, trials=30, checkpoints=names))
    assert view.checkpoints == names
    assert [view.checkpoint_of(record) for record in view.trials] == [
        record.params["checkpoint"] for record in view.trials
    ]
    assert {one.checkpoint: one.num_trials for one in candidates(view)} == dict.fromkeys(names, 15)


def test_a_single_checkpoint_cut_to_its_first_layers_is_found(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12, checkpoints=("org/minilm#layers=3",))
    assert View(results).checkpoints == ("org/minilm#layers=3",)
    page = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert 'data-figure="throughput"' in page


def test_candidates_with_more_seeds_win_over_a_lucky_run(results: Results) -> None:
    confirmed = {run.config.of for run in results.confirm}
    for one in candidates(View(results)):
        own = {record.number for record in results.trials if record.config.model.checkpoint == one.checkpoint}
        assert not own & confirmed or one.best.number in confirmed


def test_checkpoint_without_a_completed_trial_is_left_out(results: Results) -> None:
    trials = tuple(
        record.model_copy(update={"state": TrialState.PRUNED}) if "small" in record.config.model.checkpoint else record
        for record in results.trials
    )
    names = ("folder", "spec", "confirm", "baselines", "manifest", "live")
    view = View(Results(trials=trials, final=None, **{name: getattr(results, name) for name in names}))
    assert [one.checkpoint for one in candidates(view)] == ["org/large"]
    assert checkpoints_section(view, candidates(view)).floor is None


def test_parameters_are_counted_in_the_head_of_the_weights(results: Results) -> None:
    best = candidates(View(results))[0].best.number
    changed = with_weights(results, [best])
    head = {"__metadata__": {"format": "pt"}, "a": {"shape": [3, 4]}, "b": {"shape": [5]}, "c": {"shape": []}}
    raw = json.dumps(head).encode()
    path = changed.folder / f"trials/{best}/weights/model.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)
    counts = {one.best.number: one.num_parameters for one in candidates(View(changed))}
    assert counts[best] == 18
    path.write_bytes(b"\xff" * 8)
    assert all(one.num_parameters is None for one in candidates(View(changed)))


def test_parameters_are_those_that_the_trial_counted_where_no_weights_are_left(results: Results) -> None:
    trials = [
        record.model_copy(
            update={"history": tuple(p.model_copy(update={"num_parameters": 1234}) for p in record.history)}
        )
        for record in results.trials
    ]
    names = ("folder", "spec", "confirm", "baselines", "manifest", "live")
    view = View(Results(trials=tuple(trials), final=None, **{name: getattr(results, name) for name in names}))
    assert {one.num_parameters for one in candidates(view)} == {1234}


def test_pair_is_compared_row_by_row_where_predictions_are_left(results: Results) -> None:
    numbers = [one.best.number for one in candidates(View(results))]
    changed = with_weights(results, numbers)
    labels = np.arange(200) % 3
    for number, right in zip(numbers, (180, 120), strict=True):
        probabilities = np.eye(3)[np.where(np.arange(200) < right, labels, (labels + 1) % 3)]
        folder = changed.folder / f"trials/{number}/weights"
        answers = Answers({"probabilities": probabilities}, {"labels": labels})
        write_answers(folder / "validation.npz", {"validation": answers})
    view = View(changed)
    first, second = candidates(view)
    assert probability_better(view, first, second) == (pytest.approx(1), True)
    assert probability_better(view, second, first) == (pytest.approx(0), True)


def test_pair_without_predictions_is_compared_by_intervals(results: Results) -> None:
    assert results.final is not None
    models = tuple(model for model in results.final.models if model.kind != "checkpoint")
    view = View(replace(results, final=results.final.model_copy(update={"models": models})))
    first, second = candidates(view)
    there, back = probability_better(view, first, second), probability_better(view, second, first)
    assert there[0] + back[0] == pytest.approx(1)
    assert there[0] > 0.5
    pairs = checkpoints_section(view, [first, second]).tables[1]
    assert "≈" in pairs.rows[0][2]
    assert "≈" in pairs.caption


def test_checkpoints_of_one_name_are_told_apart(tmp_path: Path) -> None:
    alike = View(make_results(tmp_path / "a", trials=2, checkpoints=("one/model", "two/model")))
    apart = View(make_results(tmp_path / "b", trials=2, checkpoints=("one/large", "two/small")))
    assert alike.checkpoint_name("one/model") == "one/model"
    assert apart.checkpoint_name("one/large") == "large"


def probability_better(view: View, a: Candidate, b: Candidate) -> tuple[float, bool]:
    (pair,) = pairs_of(view, [a, b])
    return pair.probability, pair.paired


def without_speeds(results: Results) -> Results:
    assert results.final is not None
    models = tuple(model.model_copy(update={"speed": None}) for model in results.final.models)
    return replace(results, final=results.final.model_copy(update={"models": models}))


def test_slider_is_on_prediction_speed_where_that_of_all_leaders_is_known(results: Results) -> None:
    assert results.final is not None
    view = View(results)
    found = candidates(view)
    by_number = {model.number: model for model in results.final.models}
    speeds = dict(zip((one.best.number for one in found), (100.0, 400.0), strict=True))
    models = tuple(
        model.model_copy(update={"speed": model.speed.model_copy(update={"rows_per_second": speeds[model.number]})})
        if model.number in speeds and model.speed is not None
        else model.model_copy(update={"speed": None})
        for model in results.final.models
    )
    assert set(speeds) <= set(by_number)
    view = View(replace(results, final=results.final.model_copy(update={"models": models})))
    choices = checkpoint_choices(view, candidates(view))
    assert [(choice["name"], choice["speed"]) for choice in choices] == [
        (found[0].checkpoint, 100.0),
        (found[1].checkpoint, 400.0),
    ]
    assert "at 400 rows/s" in choices[1]["text"]
    section = checkpoints_section(view, candidates(view))
    assert (section.floor, section.floor_of) == ((0.0, 400.0), "predict")
    assert checkpoints_section(View(without_speeds(results)), found).floor_of == "train"


def test_holm_rejects_from_the_smallest_on_until_one_is_too_large() -> None:
    # Holm 1979 with four hypotheses at 5 %: the limits are 0.0125, 0.0167, 0.025, 0.05.
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert holm([0.04, 0.02, 0.012, 0.016]) == [True, True, True, True]
    assert holm([0.05]) == [True]
    assert holm([]) == []


def test_ranks_are_those_that_the_comparisons_leave_open() -> None:
    def pair(a: int, b: int, probability: float) -> Pair:
        p_value = 2 * min(probability, 1 - probability)
        return Pair(a=a, b=b, probability=probability, p_value=p_value, paired=True)

    shown = [pair(0, 1, 0.6), pair(0, 2, 0.999), pair(1, 2, 0.998)]
    assert ranks(shown, 3) == [(1, 2), (1, 2), (3, 3)]
    assert ranks([pair(0, 1, 0.001), pair(0, 2, 0.5), pair(1, 2, 0.5)], 3) == [(2, 3), (1, 2), (1, 3)]
    assert ranks([], 1) == [(1, 1)]


def test_table_has_the_ranks_and_marks_what_is_shown(results: Results) -> None:
    numbers = [one.best.number for one in candidates(View(results))]
    changed = with_weights(results, numbers)
    labels = np.arange(200) % 3
    for number, right in zip(numbers, (180, 120), strict=True):
        probabilities = np.eye(3)[np.where(np.arange(200) < right, labels, (labels + 1) % 3)]
        answers = Answers({"probabilities": probabilities}, {"labels": labels})
        write_answers(changed.folder / f"trials/{number}/weights/validation.npz", {"validation": answers})
    view = View(changed)
    best, pairs = checkpoints_section(view, candidates(view)).tables
    assert [row[best.head.index("rank")] for row in best.rows] == ["1", "2"]
    assert [pairs.rows[0][2], pairs.rows[1][1]] == ["above 99\u00a0%*", "below 1\u00a0%*"]
    assert "Holm's correction for 1 comparison" in pairs.caption


def test_choices_come_best_first_for_the_slider(results: Results) -> None:
    view = View(without_speeds(results))
    found = candidates(view)
    choices = checkpoint_choices(view, found)
    speeds = [choice["speed"] for choice in choices]
    measured = [view.cost(record, "samples_per_second") for record in view.completed]
    assert choices[0]["name"] == found[0].checkpoint
    assert choices[0]["speed"] == pytest.approx(found[0].samples_per_second, rel=1e-5)
    assert speeds == sorted(set(speeds))
    assert speeds[-1] == pytest.approx(max(measured), rel=1e-5), "not of each checkpoint's best only"
    assert checkpoints_section(view, found).floor == (0.0, max(choice["speed"] for choice in choices))
