"""What a study takes from the runs that `search.from` names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.jobs.earlier_runs import earlier_lines, read_earlier_runs
from harness.records.final import Final
from harness.records.manifest import DataFacts, EarlierRun, Manifest, parsed, write_manifest
from harness.records.provenance import new_manifest
from harness.records.rundir import RunFolder
from harness.records.schema import TrialState, record_of
from harness.records.store import StudyStore
from harness.spec.configure import resolve
from harness.spec.study import StudySpec
from tests.search.simulate import evaluation, make_spec

STUDIES = Path(__file__).parents[2] / "studies"
Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a run whose trials have the given params, the best first."""

    def make(*trials: Mapping[str, Any], spec: StudySpec | None = None, finished: bool = True) -> Path:
        spec = spec or make_spec(trials=8)
        run = RunFolder(tmp_path / "before")
        run.create()
        write_manifest(run, new_manifest(spec, DataFacts(), {}, [], ["harness"]))
        store = StudyStore.open(run.database, spec.name, spec.search.objectives)
        for number, params in enumerate(trials):
            config = resolve(spec, number=number, params=params)
            store.create(config)
            metrics = {"accuracy": 0.9 - number / 100, "log_loss": 0.5 - number / 100}
            store.end(record_of(config, TrialState.COMPLETE, [evaluation(config, 1.0, metrics=metrics)]))
        if finished:
            store.set("final", Final(winner=0).model_dump(mode="json"))
        store.close()
        return run.path

    return make


def point(learning_rate: float, batch_size: int, **more: Any) -> dict[str, Any]:
    return {"learning_rate": learning_rate, "batch_size": batch_size, **more}


POINTS = (point(1e-4, 16), point(2e-4, 8), point(9e-4, 32), point(3e-4, 8))


def taken(run: Path, **study: Any) -> EarlierRun:
    (earlier,) = read_earlier_runs(make_spec(**{"from": [str(run)], "trials": 8} | study))
    return earlier


def test_best_three_trials_are_taken(made: Made) -> None:
    run = made(*POINTS)
    earlier = taken(run)
    assert [(trial.number, trial.params) for trial in earlier.taken] == list(enumerate(POINTS[:3]))
    assert earlier.left_out == {}
    assert list(earlier_lines([earlier], make_spec(trials=8))) == [
        f"search.from: {run} gives trials 0, 1 and 2 to try first"
    ]


def test_others_take_the_place_of_trials_outside_the_space(made: Made) -> None:
    earlier = taken(made(*POINTS), training={"learning_rate": {"low": 1e-5, "high": 5e-4}, "batch_size": [8, 16, 32]})
    assert [trial.number for trial in earlier.taken] == [0, 1, 3]
    assert list(earlier.left_out) == [2]


def test_trials_are_ranked_as_the_new_study_does(made: Made) -> None:
    run = made(*POINTS)
    assert [trial.number for trial in taken(run, objectives=["log_loss"]).taken] == [3, 2, 1]
    assert [trial.number for trial in taken(run, constraints=["log_loss <= 0.48"]).taken] == [2, 3, 1]


def test_trials_that_have_no_room_are_said(made: Made) -> None:
    run = made(*POINTS)
    few = {"first": [{"learning_rate": 5e-4, "batch_size": 8}], "trials": 3}
    lines = list(earlier_lines([taken(run, **few)], make_spec(**few)))
    assert lines[1:] == ["search.from: search.trials=3 has room for 1 of these 3 trials"]
    assert len(list(earlier_lines([taken(run)], make_spec(trials=4)))) == 1
    twice = list(earlier_lines([taken(run), taken(run)], make_spec(trials=4)))
    assert len(twice) == 2, "the same three trials have room"
    none = list(earlier_lines([taken(run)], make_spec(trials=1)))
    assert none[1:] == ["search.from: search.trials=1 has room for none of these 3 trials"]


def test_trials_outside_the_space_are_left_out_and_said(made: Made) -> None:
    run = made(*POINTS)
    training = {"learning_rate": {"low": 1e-5, "high": 5e-4, "log": True}, "batch_size": 16}
    earlier = taken(run, training=training)
    assert [(trial.number, trial.params) for trial in earlier.taken] == [(0, {"learning_rate": 1e-4})]
    assert earlier.left_out.pop(3).startswith("batch_size: "), "it was looked at in the place of another"
    assert list(earlier_lines([earlier], make_spec(trials=8))) == [
        f"search.from: {run} gives trial 0 to try first",
        f"search.from: {run}: trial 1 is left out: batch_size: training.batch_size is fixed at 16, not 8: search it, "
        "or leave it out",
        f"search.from: {run}: trial 2 is left out: learning_rate: must be between 1e-05 and 0.0005, as this study "
        "searches it, not 0.0009; batch_size: training.batch_size is fixed at 16, not 32: search it, or leave it out",
    ]


def test_param_that_the_run_fixed_has_its_value_where_the_space_holds_it(made: Made) -> None:
    run = made(
        {"learning_rate": 1e-4},
        spec=make_spec(training={"learning_rate": {"low": 1e-5, "high": 1e-3}, "batch_size": 8}),
    )
    assert taken(run).taken[0].params == point(1e-4, 8)
    other = {"learning_rate": {"low": 1e-5, "high": 1e-3}, "batch_size": [16, 32]}
    assert taken(run, training=other).taken[0].params == point(1e-4, 32), "else that of the default recipe"


def test_compared_checkpoints_take_the_trials_of_their_own(made: Made) -> None:
    run = made(*POINTS[:1])
    earlier = taken(run, model={"checkpoint": ["minilm", "bert"]})
    assert earlier.taken[0].params == point(1e-4, 16, checkpoint="minilm")
    assert taken(run, model={"checkpoint": ["bert", "mpnet"]}).left_out == {
        0: "checkpoint: must be one of 'bert', 'mpnet', as this study searches it, not 'minilm'"
    }


def test_manifest_keeps_what_was_taken(made: Made) -> None:
    earlier = taken(made(*POINTS), training={"learning_rate": {"low": 1e-5, "high": 5e-4}, "batch_size": [8, 16, 32]})
    assert (len(earlier.taken), list(earlier.left_out)) == (3, [2])
    manifest = Manifest(spec=make_spec(), earlier_runs=(earlier,))
    assert parsed(json.loads(manifest.model_dump_json()), "manifest.json").earlier_runs == (earlier,)


@pytest.mark.parametrize(
    ("change", "study", "words"),
    [
        ({"finished": False}, {}, "before has not come to its end; continue it, or leave it out"),
        (
            {},
            {"training": {"weight_decay": {"low": 0.0, "high": 0.1}}},
            "searched batch_size, learning_rate, and this study searches weight_decay: they have no param in common",
        ),
    ],
)
def test_run_that_says_nothing_here_is_an_error(
    made: Made, change: dict[str, Any], study: dict[str, Any], words: str
) -> None:
    run = made(*POINTS, **change)
    with pytest.raises(InputError) as caught:
        taken(run, **study)
    assert str(caught.value).startswith(f"search.from: {run}")
    assert str(caught.value).endswith(words)


def test_run_of_another_task_is_an_error(made: Made) -> None:
    run = made(*POINTS)
    spec = StudySpec.model_validate(make_spec(**{"from": [str(run)]}).model_dump() | {"task": "text-regression"})
    with pytest.raises(InputError, match="is of the task text-classification, and this"):
        read_earlier_runs(spec)


@pytest.mark.parametrize("broken", ["manifest.json", "study.db"])
def test_broken_run_is_an_error_that_names_it(made: Made, broken: str) -> None:
    run = made(*POINTS)
    (run / broken).write_text("no longer what it was", encoding="utf-8")
    with pytest.raises(InputError, match=r"^search.from: .*before"):
        taken(run)


def test_folder_that_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"search.from: .*nothing is not a run folder"):
        taken(tmp_path / "nothing")


def harness(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    environ = os.environ | {"PYTHONPATH": str(STUDIES.parent)}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)


def test_sweep_begins_with_an_earlier_run_and_may_end_without_a_winner(smoke_run: Path, tmp_path: Path) -> None:
    """The trials that another sweep found best are tried; none of them needs less than a MiB of memory."""
    keys = [f"search.from=[{smoke_run}]", "search.first=[{learning_rate: 1e-3}]", "search.trials=4", "name=next"]
    keys.append("search.constraints=[peak_memory_mib <= 1]")
    done = harness("sweep", STUDIES / "smoke.yaml", *keys, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No trial meets all constraints: trial " in done.stdout
    assert "Use the model" not in done.stdout
    manifest = json.loads((tmp_path / "runs/next/manifest.json").read_text("utf-8"))
    given = [trial["params"] for trial in manifest["earlier_runs"][0]["taken"]]
    results = json.loads(harness("results", "runs/next", "--json", cwd=tmp_path).stdout)
    params = [trial["params"] for trial in results["trials"]]
    assert params[1] == params[0] | {"learning_rate": 1e-3}
    assert params[2:4] == [own for own in given if own not in params[:2]][:2]
    assert results["best"] is None
    assert [trial["violates"] for trial in results["trials"]] == [["peak_memory_mib <= 1"]] * 4
    assert not (tmp_path / "runs/next/best").exists()
    page = (tmp_path / "reports/next/index.html").read_text("utf-8")
    assert "No trial meets all constraints" in page
    again = harness("sweep", STUDIES / "smoke.yaml", *keys, cwd=tmp_path)
    assert (again.returncode, "next is finished" in again.stdout) == (0, True)
