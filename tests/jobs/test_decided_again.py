"""A study that goes on after its decision: what is decided again, and which weights stay."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.answers import read_answers
from harness.errors import RunError
from harness.jobs import export_trial as export_module
from harness.jobs import sweep as module
from harness.jobs.export_trial import export_trial
from harness.jobs.finalists import scored_runs, search_number
from harness.jobs.sweep import sweep
from harness.records import decisions
from harness.records.exported import read_export
from harness.records.files import replace_folder
from harness.records.final import Final
from harness.records.results import FINAL, Results, load
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord
from harness.records.store import StudyStore
from harness.spec.reader import load_study
from harness.stats.metric import score
from tests.conftest import STUDIES
from tests.jobs.test_going_on import Said

#: By log loss, of which no two trials have the same.
STUDY = (
    "training.precision=fp32",
    "training.learning_rate={low: 1e-6, high: 3e-3, log: true}",
    "search.sampler=random",
    "search.objectives=[log_loss]",
)
TWO, MORE_SEEDS, MORE_TRIALS = "confirm={top: 2, seeds: 2}", "confirm={top: 2, seeds: 3}", "search.trials=6"
NO_CONFIRMATION = "confirm=null"


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_report", lambda *_, **__: None)


def swept(runs: Path, *overrides: str) -> Results:
    """The study, begun or continued in `runs`."""
    spec = load_study(STUDIES / "smoke.yaml", [*STUDY, *overrides])
    return sweep(spec, runs=runs, fresh=False, command=["harness", "sweep"], view=Said())


def with_weights(results: Results) -> list[TrialRecord]:
    runs = (*results.trials, *results.confirm)
    return [run for run in runs if run.weights and (results.folder / run.weights / "model.safetensors").is_file()]


def on_test(results: Results) -> list[tuple[int | None, int | None]]:
    """Number and seed of each trained model that this or an earlier decision scored on test."""
    assert results.final is not None
    return [(model.number, model.seed) for model in results.final.tested]


def check_going_on(runs: Path, before: Results, *overrides: str) -> Results:
    """Continues the study and returns its results; models that were tested keep their weights, and others do not."""
    after = swept(runs, *overrides)
    assert after.final is not None and after.final.winning_model is not None
    assert after.final.winning_model.number == after.final.winner
    assert set(on_test(before)) <= set(on_test(after))
    assert {(search_number(run), run.seed) for run in with_weights(after)} == set(on_test(after))
    return after


@pytest.mark.long
def test_a_model_of_an_earlier_decision_can_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of further trials, which are not confirmed any more, one wins; the runner-up of before is on the list no more."""
    first = swept(tmp_path, "search.trials=2", TWO)
    after = check_going_on(tmp_path, first, MORE_TRIALS, NO_CONFIRMATION)
    assert first.final is not None and after.final is not None
    assert after.final.winner > 1, "a trial without a second seed"
    assert any("looked at more than once" in line for line in after.final.warnings)
    model = after.final.earlier[0]
    assert model.number is not None
    (run,) = (run for run in scored_runs(after.final, with_weights(after)) if search_number(run) == model.number)
    monkeypatch.delattr(export_module, "train_again")
    to = export_trial(after, model.number, tmp_path / "model")
    weights = after.folder / str(run.weights) / "model.safetensors"
    assert (to / "model.safetensors").read_bytes() == weights.read_bytes()
    card = (to / "README.md").read_text("utf-8")
    assert f"Seed {model.seed}." in card
    assert f"{model.test['accuracy'].value:.4f} (" in card, "its test score"
    assert f"which is not the winner of its study \\(trial {after.final.winner}\\) but " in card
    assert "It was scored on test as one of a list that was fixed before." in card
    assert "before this model was scored on test" not in card
    assert re.search(r"- This model is (worse|not shown to be better) than .*majority class", card)


class Killed(Exception):
    """The process died here."""


def dying(function: Callable[..., Any], *, when: Callable[..., bool], before: bool) -> Callable[..., Any]:
    """The function, after or instead of which the process dies."""

    def call(*args: Any) -> Any:
        if not when(*args):
            return function(*args)
        if not before:
            function(*args)
        raise Killed

    return call


def check_whole(runs: Path, *, decided_trials: int) -> Results:
    """The stored decision, its answers on test and its exported model belong together."""
    results = load(runs / "smoke")
    final = results.final
    assert final is not None and final.winning_model is not None and final.of is not None
    assert final.of["trials"] == decided_trials
    metric = results.task.metric("log_loss")
    for model in final.tested:
        answers = read_answers(results.folder / model.predictions, "test")
        assert model.test["log_loss"].value == score(metric, answers.outputs, answers.targets), model.role
    export = read_export(Path(str(results.export_path())))
    assert (export.trial, export.seed) == (final.winner, final.winning_model.seed)
    assert export.test == final.winning_model.test
    return results


@pytest.mark.long
def test_a_kill_at_a_second_decision_leaves_the_whole_old_one_or_the_whole_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(tmp_path, "search.trials=2", NO_CONFIRMATION)
    first = check_whole(tmp_path, decided_trials=2)
    at_final = {"when": lambda _, key, __: key == FINAL}
    for before, trials in ((True, 2), (False, 6)):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(StudyStore, "set", dying(StudyStore.set, before=before, **at_final))
            swept(tmp_path, MORE_TRIALS, NO_CONFIRMATION)
        killed = check_whole(tmp_path, decided_trials=trials)
        assert killed.outdated == before
    assert first.final is not None and killed.final is not None and killed.final.winner != first.final.winner
    moves = {"when": lambda _, folder: folder.name == "best"}
    with monkeypatch.context() as patch, pytest.raises(Killed):  # between the move and the removal of what it replaces
        patch.setattr(decisions, "replace_folder", dying(replace_folder, before=False, **moves))
        swept(tmp_path, MORE_TRIALS, NO_CONFIRMATION)
    check_whole(tmp_path, decided_trials=6)
    after = swept(tmp_path, MORE_TRIALS, NO_CONFIRMATION)
    assert after.final == killed.final, "it is not decided anew"
    check_whole(tmp_path, decided_trials=6)
    assert after.export_path() == str(after.folder / "best")
    kept = {after.folder / model.predictions for model in after.final.tested}
    assert {path.parent for path in (after.folder / "final").rglob("*.npz") if path not in kept} <= {
        after.folder / after.final.folder
    }


@pytest.mark.long
def test_a_study_that_was_continued_is_not_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that began it goes on with the recorded number of trials, and names it."""
    two, told = ("engine.name=inline", "search.trials=2", NO_CONFIRMATION), "this study was continued to 6 trials"
    swept(tmp_path, *two)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(StudyStore, "set", dying(StudyStore.set, before=True, when=lambda _, key, __: key == FINAL))
        swept(tmp_path, "engine.name=inline", MORE_TRIALS, NO_CONFIRMATION)
    assert load(tmp_path / "smoke").outdated
    spec = load_study(STUDIES / "smoke.yaml", [*STUDY, *two])
    for command in (["harness", "sweep"], ["harness", "sweep", "search.trials=2"]):
        view = Said()
        after = sweep(spec, runs=tmp_path, fresh=False, command=command, view=view)
        assert view.lines[0].startswith(told)
        assert after.manifest.command == ("harness", "sweep", MORE_TRIALS)
        assert not after.outdated and not after.interrupted
        assert after.final is not None and after.final.of is not None
        assert (after.final.of["trials"], after.final.folder) == (6, "final/2"), "it is not decided a third time"
    assert "smoke is finished: these are its results" in view.lines


@pytest.mark.long
def test_every_change_of_the_confirmation_decides_again(tmp_path: Path) -> None:
    results = swept(tmp_path, NO_CONFIRMATION)
    seeds = []
    for change in (TWO, "confirm={top: 3, seeds: 2}", NO_CONFIRMATION, MORE_SEEDS, TWO, "confirm={top: 1, seeds: 1}"):
        results = check_going_on(tmp_path, results, change)
        assert results.final is not None
        seeds.append(sorted((len(finalist.seeds) for finalist in results.final.finalists), reverse=True))
    assert seeds == [[2, 2], [2, 2, 2], [2, 2, 2], [3, 3], [3, 3, 2], [3, 3]]
    results = check_going_on(tmp_path, results, MORE_TRIALS, "confirm={top: 3, seeds: 2}")
    assert results.final is not None
    assert len(results.final.finalists) >= 3


@pytest.mark.long
def test_a_winner_without_weights_is_told_before_anything_is_lost(tmp_path: Path) -> None:
    first = swept(tmp_path, NO_CONFIRMATION)
    for run in with_weights(first):
        shutil.rmtree(first.folder / str(run.weights))
    best = (first.folder / "best" / "README.md").read_text("utf-8")
    with pytest.raises(RunError, match=r"weights of its 1 seed are gone; train one more with confirm\.seeds=2"):
        swept(tmp_path, "confirm={top: 1, seeds: 1}")
    assert (first.folder / "best" / "README.md").read_text("utf-8") == best
    after = swept(tmp_path, TWO)
    assert after.final is not None and after.final.winning_model is not None
    assert after.final.winning_model.seed == 1


def test_a_decision_without_a_winner_leaves_no_model_as_the_best(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create()
    run.inside("best").mkdir()
    decisions.settle(run, Final(winner=0, export="best", folder="final/1"))
    assert (run.path / "best").is_dir()
    decisions.settle(run, Final(folder="final/2"))
    assert not (run.path / "best").exists()
