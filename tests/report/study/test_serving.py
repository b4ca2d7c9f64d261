"""Sentences on compared checkpoints, on a faster rival, on what the test rows can show, and on moved defaults."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.records.final import Comparison, FinalModel, PredictionSpeed
from harness.records.results import Results
from harness.report.kit.view import View
from harness.report.study.answer import answer
from harness.report.study.serving import size_number, speed_text
from harness.report.study.winner import models_table
from harness.runtime import program
from harness.spec.space import Range
from tests.report.factory import make_results

CHECKPOINTS = ("org/large", "org/small", "org/tiny")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("run"), trials=30, checkpoints=CHECKPOINTS)


def sentences(results: Results) -> dict[str, str]:
    told = answer(View(results)).sentences
    return {one.about: one.text for one in told} | {f"{one.about} command": one.command for one in told if one.command}


def changed(results: Results, models: list[FinalModel], comparisons: list[Comparison]) -> Results:
    assert results.final is not None
    update = {"models": tuple(models), "comparisons": tuple(comparisons)}
    return replace(results, final=results.final.model_copy(update=update))


def test_each_compared_checkpoint_has_a_line(results: Results) -> None:
    lines = sentences(results)
    assert results.final is not None
    for name in ("large", "small", "tiny"):
        assert re.match(r"Accuracy \d\d\.\d.%.*predicts [89]00 rows/s, 4\.25 ms for one row, 91 MB: ", lines[name]), (
            lines[name]
        )
    winner = results.final.models[0]
    assert f"the winner, trial {winner.number}" in lines[str(winner.checkpoint).partition("/")[2]]
    assert sum("the winner, trial" in line for line in lines.values()) == 1
    single = make_results(results.folder.parents[1] / "single", trials=12)
    assert not {"all-MiniLM-L6-v2", "large"} & set(sentences(single))


def test_models_with_one_measurement_show_it_once(results: Results) -> None:
    assert results.final is not None
    table = models_table(View(results))
    assert table is not None and table.caption.endswith("are measured once, and have one speed.")
    checkpoints = {model.checkpoint for model in results.final.models if model.speed is not None}
    speeds = [row[table.head.index("predicted rows/s")] for row in table.rows]
    assert sum(speed.isdigit() for speed in speeds) == len(checkpoints) > 1
    assert "as the winner" in speeds
    each = [
        model.model_copy(update={"speed": model.speed.model_copy(update={"row_ms": 1.0 + at})})
        if model.speed
        else model
        for at, model in enumerate(results.final.models)
    ]
    table = models_table(View(changed(results, each, list(results.final.comparisons))))
    assert table is not None and "measured once" not in table.caption
    assert not any("as the" in cell for row in table.rows for cell in row)


@pytest.mark.parametrize(
    ("factor", "slowest", "tie", "is_named"),
    [
        (1.3, None, True, True),
        (1.2, None, True, False),
        (5.0, None, False, False),
        (1.4, 1.26, True, True),
        (1.4, 1.2, True, False),
    ],
)
def test_faster_rival_is_named_where_it_cannot_be_told_apart_and_all_its_passes_are_faster(
    results: Results, factor: float, slowest: float | None, tie: bool, is_named: bool
) -> None:
    assert results.final is not None
    winner, rival, *others = results.final.models
    fast = PredictionSpeed(
        rows_per_second=800 * factor,
        slowest_rows_per_second=slowest and 800 * slowest,
        row_ms=1.0,
        megabytes=90.9,
    )
    pairs = [pair.model_copy(update={"tie": tie and pair.b == rival.role}) for pair in results.final.comparisons]
    lines = sentences(changed(results, [winner, rival.model_copy(update={"speed": fast}), *others], pairs))
    assert ("Alternative" in lines) == is_named
    if is_named:
        assert lines["Alternative"].startswith(f"Trial {rival.number} cannot be told apart from the winner")
        assert f"predicts {factor:.1f} times as fast" in lines["Alternative"]
        assert f"{program()} export {results.folder} --trial {rival.number} --to DIR" in lines["Alternative command"]


@pytest.mark.parametrize(("megabytes", "size"), [(72.7, "73 MB"), (0.15, "0.15 MB"), (80.0, None)])
def test_smaller_rival_is_named_where_none_is_faster(results: Results, megabytes: float, size: str | None) -> None:
    assert results.final is not None
    winner, rival, *others = results.final.models
    assert winner.speed is not None
    assert winner.speed.megabytes == 90.9
    small = winner.speed.model_copy(update={"megabytes": megabytes})
    pairs = [pair.model_copy(update={"tie": pair.b == rival.role}) for pair in results.final.comparisons]
    lines = sentences(changed(results, [winner, rival.model_copy(update={"speed": small}), *others], pairs))
    assert ("Alternative" in lines) == (size is not None)
    if size is not None:
        assert f"is smaller ({size} against 91 MB)." in lines["Alternative"]


def test_test_rows_can_show_what_the_interval_says(results: Results) -> None:
    assert results.final is not None
    first, *others = results.final.comparisons
    narrow = first.difference.__class__(value=0.01, low=-0.0096, high=0.0296)  # a standard error of one point
    shown = sentences(
        changed(results, list(results.final.models), [first.model_copy(update={"difference": narrow}), *others])
    )
    rival = results.final.models[1].number
    assert shown["Test rows"] == (
        "These 500 rows can show a difference of 2.8 points of accuracy or more, between models as alike as the winner "
        f"and trial {rival}: in 8 of 10 cases, and smaller ones in fewer."
    )


def test_test_rows_can_show_it_by_every_objective_that_is_no_cost(tmp_path: Path) -> None:
    objectives = ("accuracy", "macro_f1", "log_loss", "samples_per_second")
    text = sentences(make_results(tmp_path, trials=12, objectives=objectives))["Test rows"]
    assert re.fullmatch(
        r"These 500 rows can show a difference of [\d.]+ points of accuracy or more, .*, [\d.]+ points of macro F1 or "
        r"more, .* and [\d.]+ nats of log loss or more, between models as alike as the winner and trial \d+: in 8 of "
        r"10 cases, and smaller ones in fewer\.",
        text,
    )


def test_smallest_difference_is_told_of_the_model_whose_score_is_nearest(results: Results) -> None:
    assert results.final is not None
    winner, *others = results.final.models
    shown = []
    for nearest in (other for other in others if other.number is not None):
        models = [other.model_copy(update={"test": winner.test}) if other is nearest else other for other in others]
        text = sentences(changed(results, [winner, *models], list(results.final.comparisons)))["Test rows"]
        shown.append(f"as alike as the winner and trial {nearest.number}:" in text)
    assert len(shown) > 1
    assert all(shown)


def test_test_rows_can_show_it_in_the_units_of_a_number(tmp_path: Path) -> None:
    text = sentences(make_results(tmp_path, trials=12, task="text-regression"))["Test rows"]
    assert re.match(r"These 500 rows can show a difference of 0\.\d+ of RMSE or more", text)


def test_default_recipe_says_what_the_space_excludes(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12)
    assert "instead of" not in sentences(results)["Against the default recipe"]
    rates = Range[float](low=1e-4, high=5e-4, log=True)
    training = results.spec.training.model_copy(update={"learning_rate": rates})
    narrowed = replace(results, spec=results.spec.model_copy(update={"training": training}))
    told = sentences(narrowed)["Against the default recipe"]
    assert told.endswith("In this study the default recipe has learning rate 1e-4 instead of 5e-5.")


def test_default_recipe_says_what_the_study_fixes(tmp_path: Path) -> None:
    results = make_results(tmp_path, trials=12)
    fixed = results.spec.training.model_copy(update={"learning_rate": 3e-4, "batch_size": 16})
    told = sentences(replace(results, spec=results.spec.model_copy(update={"training": fixed})))
    assert told["Against the default recipe"].endswith(
        "In this study the default recipe has learning rate 3e-4 (fixed) instead of 5e-5 and batch size 16 (fixed) "
        "instead of 32."
    )
    usual = results.spec.training.model_copy(update={"learning_rate": 5e-5, "batch_size": 32})
    told = sentences(replace(results, spec=results.spec.model_copy(update={"training": usual})))
    assert "In this study" not in told["Against the default recipe"]


def test_small_models_have_a_size_and_one_row_has_no_range() -> None:
    speed = PredictionSpeed(
        rows_per_second=30.0, row_ms=9.0, fastest_row_ms=9.0, slowest_row_ms=9.0, single_rows=1, megabytes=0.15
    )
    assert speed_text(speed) == "30.0 rows/s, 9.00 ms for one row, 0.15 MB"
    assert size_number(speed) == "0.15"
    assert size_number(speed.model_copy(update={"megabytes": 90.9})) == "91"
