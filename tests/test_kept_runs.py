"""Runs that an old version wrote (kept/README.md): later versions read them as that version did.

They are of behaviour 1, and their rungs are others, so only that version continues them. That their snapshots, records
and weights can be gone on from is tested with that number in the place of today's.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app

KEPT = Path(__file__).parent / "kept"
#: Where the kept runs lay when they were made.
RUNS = "/home/user/project/runs"
#: What another processor's rounding, or another number of threads, may make of a log loss after a whole training.
TOLERANCE = 2e-2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def copied(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copies a kept run to `runs/` in a folder that is current from then on."""

    def copy(name: str) -> Path:
        monkeypatch.setenv("HARNESS_CACHE", str(cache))
        monkeypatch.chdir(tmp_path)
        return Path(shutil.copytree(KEPT / name, tmp_path / "runs" / name))

    return copy


def harness(*arguments: object) -> str:
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(harness("results", run, "--json"))
    return found


def by_number(found: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {trial["number"]: trial for trial in found["trials"]}


def ended(trials: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {number: trial for number, trial in trials.items() if trial["state"] in ("COMPLETE", "PRUNED", "FAIL")}


def test_results_of_a_finished_run_are_as_they_were(copied: Callable[[str], Path]) -> None:
    run = copied("finished")
    expected = (KEPT / "finished_results.json").read_text(encoding="utf-8").replace(RUNS, str(run.parent))
    found, then = results(run), json.loads(expected)
    assert _as_of(found, then) == then


def test_report_of_a_finished_run_is_written(copied: Callable[[str], Path]) -> None:
    page = Path(harness("report", copied("finished")).strip()).read_text(encoding="utf-8")
    assert page.count("plotly-graph-div") >= 5
    assert "trial 11" in page


def test_finished_run_shows_its_winner(copied: Callable[[str], Path]) -> None:
    run = copied("finished")
    assert re.search(r"^Winner +trial 11, confirmed with 2 seeds", harness("results", run), re.MULTILINE)
    assert "Winner" in harness("status", run)


def test_stopped_run_is_shown_and_names_the_version_that_finishes_it(copied: Callable[[str], Path]) -> None:
    run = copied("stopped_early")
    assert {trial["state"] for trial in results(run)["trials"]} == {"COMPLETE", "PRUNED", "RUNNING"}
    assert Path(harness("report", run).strip()).is_file()
    done = CliRunner().invoke(app, ["sweep", str(KEPT / "stopped_early.yaml"), "--runs", str(run.parent)])
    assert done.exit_code == 2
    assert "was begun by finetune-harness 0.1.0, in which the same study gives other results" in done.output
    assert "that version finishes it" in done.output


@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param("stopped", (), marks=pytest.mark.long), ("stopped_early", ("--engine", "inline"))],
)
def test_stopped_run_goes_on(
    name: str, options: tuple[str, ...], copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("records.provenance", "jobs.going_on"):
        monkeypatch.setattr(f"harness.{module}.BEHAVIOUR", 1)
    run = copied(name)
    before = by_number(results(run))
    assert {trial["state"] for trial in before.values()} == {"COMPLETE", "PRUNED", "RUNNING"}
    printed = harness("sweep", KEPT / f"{name}.yaml", "--runs", run.parent, *options)
    assert f"{len(ended(before))} of them done before" in printed
    found = results(run)
    after = by_number(found)
    assert list(after) == list(range(8))
    assert list(ended(after)) == list(after)
    assert {number: after[number] for number in ended(before)} == ended(before)
    assert all(after[number]["seed"] == trial["seed"] for number, trial in before.items())
    assert after[found["best"]["number"]]["state"] == "COMPLETE"
    assert (Path(found["best"]["export"]) / "model.safetensors").is_file()
    _compare(after, json.loads((KEPT / "continued.json").read_text(encoding="utf-8"))[name])
    assert {run["trial"] for run in found["confirm"]} == ({2} if name == "stopped" else set())


def _as_of(found: Any, then: Any) -> Any:
    """What was found, without the keys that later versions have added."""
    if isinstance(then, dict):
        return {key: _as_of(found[key], then[key]) for key in then}
    if isinstance(then, list) and len(found) == len(then):
        return [_as_of(*pair) for pair in zip(found, then, strict=True)]
    return found


def _compare(trials: dict[int, dict[str, Any]], then: dict[str, Any]) -> None:
    """Params are those that the old version drew, and losses those of its trainings where both were evaluated.

    Trials that had not begun are judged, and so evaluated, at other steps today.
    """
    num_shared = 0
    for number, trial in trials.items():
        old = then[str(number)]
        assert trial["params"] == pytest.approx(old["params"], rel=1e-9)
        losses = {str(row["step"]): row["log_loss"] for row in trial["history"]}
        shared = losses.keys() & old["log_loss"].keys()
        num_shared += len(shared)
        assert {step: losses[step] for step in shared} == pytest.approx(
            {step: old["log_loss"][step] for step in shared}, rel=TOLERANCE
        )
    assert num_shared
