"""The main job end to end on the smoke study: run, contract of its results, again, changed, killed, continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.records.results import load
from harness.report.study.seeds import race_text

STUDIES = Path(__file__).parents[2] / "studies"


def harness(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(STUDIES.parent)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def swept(smoke_run: Path) -> tuple[Path, dict[str, Any]]:
    """The folder where the smoke study ran in two worker processes, and its results; nobody may change it."""
    folder = smoke_run.parents[1]
    return folder, json.loads(harness("results", "runs/smoke", "--json", cwd=folder).stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The same of a run that a test may change."""
    folder = tmp_path_factory.mktemp("smoke")
    done = harness("sweep", STUDIES / "smoke.yaml", "--engine", "local", "engine.slots_per_device=2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(harness("results", "runs/smoke", "--json", cwd=folder).stdout)


def test_sweep_results_keep_the_contract(swept: tuple[Path, dict[str, Any]]) -> None:
    _, results = swept
    assert results["study"] == "smoke"
    assert [trial["number"] for trial in results["trials"]] == [0, 1, 2, 3]
    keys = "number state reason params seed metrics history samples_per_second tokens_per_second padding_fraction"
    for trial in results["trials"]:
        assert {*keys.split(), "peak_memory_mib", "duration_s", "device"} <= set(trial)
        assert trial["state"] in ("COMPLETE", "PRUNED")
        assert trial["samples_per_second"] > 0
        assert trial["history"][-1]["accuracy"] >= 0
    assert {"accuracy", "macro_f1", "mcc", "roc_auc", "log_loss"} <= set(results["baselines"][0]["metrics"])
    best = results["best"]
    assert {"number", "params", "metrics", "test", "export"} <= set(best)
    assert best["test"]["accuracy"]["low"] <= best["test"]["accuracy"]["value"] <= best["test"]["accuracy"]["high"]
    assert {run["trial"] for run in results["confirm"]} >= {best["number"]}


def test_sweep_trial_zero_is_the_default_recipe(swept: tuple[Path, dict[str, Any]]) -> None:
    _, results = swept
    # 5e-5 and 32 lie outside the smoke study's space: the nearest values in it stand for them.
    assert results["trials"][0]["params"] == {"learning_rate": pytest.approx(3e-4), "batch_size": 16}


def test_sweep_says_which_trials_are_too_short_to_be_pruned(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, results = swept
    said = (folder / "said.txt").read_text(encoding="utf-8")
    assert "trials with batch size 16 will not be stopped early (with search.pruner.name=none no trial will): " in said
    assert [trial["state"] for trial in results["trials"]] == ["COMPLETE"] * 4


def test_sweep_export_loads_with_plain_transformers(swept: tuple[Path, dict[str, Any]]) -> None:
    from transformers import pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    _, results = swept
    classify = pipeline("text-classification", model=results["best"]["export"])
    assert classify("The dog sleeps in the sun.")[0]["label"] in ("animal", "food", "weather")
    folder = Path(results["best"]["export"])
    assert {"README.md", "manifest.json", "model.safetensors", "config.json"} <= {p.name for p in folder.iterdir()}


def test_sweep_report_is_written(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = swept
    page = (folder / "reports" / "smoke" / "index.html").read_text(encoding="utf-8")
    assert page.count("plotly-graph-div") >= 5
    assert (folder / "reports" / "smoke" / "summary.md").stat().st_size > 100


@pytest.mark.long
def test_sweep_of_a_finished_study_prints_its_results(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, results = finished
    page = folder / "reports" / "smoke" / "index.html"
    page.unlink()
    again = harness("sweep", STUDIES / "smoke.yaml", "--engine", "local", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "finished" in again.stdout
    assert page.exists()
    assert json.loads(harness("results", "runs/smoke", "--json", cwd=folder).stdout) == results


@pytest.mark.long
def test_sweep_races_for_seeds_in_two_slots(tmp_path: Path) -> None:
    arguments = [STUDIES / "smoke.yaml", "--engine", "local", "engine.slots_per_device=2", "search.pruner.name=none"]
    done = harness("sweep", *arguments, "confirm={top: 3, seeds: auto}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = load(tmp_path / "runs" / "smoke")
    assert results.final is not None
    race = results.final.race
    assert race is not None
    trained = Counter(record.config.of for record in results.confirm)
    raced = [*race.left, *(one.number for one in race.dropped)]
    assert len(raced) == 3
    assert {number: trained[number] + 1 for number in raced} == {number: race.seeds_of(number) for number in raced}
    assert results.final.winner in race.left
    told = race_text("accuracy", race)
    assert told[1:] in " ".join(done.stdout.split())
    assert told in (tmp_path / "runs" / "smoke" / "best" / "README.md").read_text(encoding="utf-8")
    assert told[1:] in (tmp_path / "reports" / "smoke" / "index.html").read_text(encoding="utf-8")
    again = harness("sweep", *arguments, "confirm={top: 3, seeds: auto}", cwd=tmp_path)
    assert "finished" in again.stdout


def test_sweep_of_a_changed_study_is_refused(swept: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = swept
    changed = harness("sweep", STUDIES / "smoke.yaml", "training.epochs=3", cwd=folder)
    assert changed.returncode == 2
    assert "training.epochs: 2" in changed.stderr
    assert "Traceback" not in changed.stderr


@pytest.mark.long
@pytest.mark.kill
def test_sweep_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.cli", "sweep", str(STUDIES / "smoke.yaml"), "--engine", "local"]
    command += ["engine.slots_per_device=2", "search.trials=6", "training.epochs=40", "confirm=null"]
    environment = os.environ | {"PYTHONPATH": str(STUDIES.parent)}
    ended: dict[int, Any] = {}
    for stop in (signal.SIGKILL, signal.SIGINT):
        before = _num_evaluations(tmp_path)
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for_trials(tmp_path, process, more_than=before)
        process.send_signal(stop)
        assert process.wait(timeout=180) == (-9 if stop is signal.SIGKILL else 130)
        ended |= _ended(tmp_path)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(harness("results", "runs/smoke", "--json", cwd=tmp_path).stdout)
    assert [trial["number"] for trial in results["trials"]] == list(range(6))
    assert {trial["state"] for trial in results["trials"]} <= {"COMPLETE", "PRUNED"}
    params = [json.dumps(trial["params"], sort_keys=True) for trial in results["trials"]]
    assert len(set(params)) == 6
    for number, trial in ended.items():
        assert results["trials"][number]["history"] == trial["history"], f"trial {number} was run again"


def _ended(folder: Path) -> dict[int, Any]:
    found = harness("results", "runs/smoke", "--json", cwd=folder)
    trials = json.loads(found.stdout)["trials"] if found.returncode == 0 else []
    return {trial["number"]: trial for trial in trials if trial["state"] in ("COMPLETE", "PRUNED", "FAIL")}


def _num_evaluations(folder: Path) -> int:
    found = harness("results", "runs/smoke", "--json", cwd=folder)
    return sum(len(trial["history"]) for trial in json.loads(found.stdout)["trials"]) if found.returncode == 0 else 0


def _wait_for_trials(folder: Path, process: subprocess.Popen[bytes], *, more_than: int) -> None:
    """Until a trial was evaluated by this process, or the sweep is over."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if _num_evaluations(folder) > more_than:
            return
        time.sleep(0.3)
