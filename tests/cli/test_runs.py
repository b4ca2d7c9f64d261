"""`harness runs`, `harness remove` and the completion of commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import runs as commands
from harness.records.rundir import RunFolder
from tests.cli.test_commands import harness
from tests.conftest import STUDIES


@pytest.fixture
def run(smoke_run: Path, tmp_path: Path) -> Path:
    """A copy of the smoke run, in a folder of its own."""
    return shutil.copytree(smoke_run, tmp_path / "runs" / "smoke")


def test_runs_lists_state_score_and_size(run: Path) -> None:
    (entry,) = json.loads(harness("runs", run.parent, "--json").stdout)
    assert (entry["run"], entry["study"], entry["state"]) == (str(run), "smoke", "done")
    assert (entry["ended_trials"], entry["trials"]) == (4, 4)
    best = json.loads(harness("results", run, "--json").stdout)["best"]
    assert entry["best"] == best["test"]["accuracy"]["value"]
    assert (entry["metric"], entry["best_is_of"]) == ("accuracy", "test")
    assert entry["bytes"] == sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    line = harness("runs", run.parent).stdout.splitlines()[1]
    assert line.split()[1:4] == ["done", "4", "of"]


def test_newest_run_comes_first_and_one_that_cannot_be_read_is_told(run: Path) -> None:
    other = shutil.copytree(run, run.with_name("other"))
    (other / "manifest.json").write_text("{", encoding="utf-8")
    (run.parent / "notes").mkdir()
    found = json.loads(harness("runs", run.parent, "--json").stdout)
    assert [Path(entry["run"]).name for entry in found] == ["other", "smoke"]
    assert found[0]["state"] == "not readable"
    assert "cannot be read" in found[0]["problem"]
    assert "manifest.json cannot be read" in harness("runs", run.parent).stdout


def test_folder_without_runs(tmp_path: Path) -> None:
    assert harness("runs", tmp_path).stdout == f"no runs in {tmp_path}\n"
    assert json.loads(harness("runs", tmp_path, "--json").stdout) == []
    done = harness("runs", tmp_path / "none")
    assert (done.exit_code, done.stderr[:7]) == (2, "error: ")


def test_remove_takes_the_run_and_nothing_beside_it(run: Path) -> None:
    shutil.copytree(run, run.with_name("kept"))
    done = harness("remove", run, "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"removed {run}, ")
    assert [path.name for path in run.parent.iterdir()] == ["kept"]


def test_remove_is_not_done_without_a_yes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = harness("remove", run)
    assert done.exit_code == 2
    assert "would be gone for good, the exported model too; say so with --yes" in done.stderr
    monkeypatch.setattr(commands, "_may_ask", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert harness("remove", run).exit_code == 1
    assert run.exists()
    monkeypatch.setattr("typer.confirm", lambda question: True)
    assert harness("remove", run).exit_code == 0
    assert not run.exists()


def test_one_name_that_is_no_run_leaves_all(run: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("", encoding="utf-8")
    done = harness("remove", run, tmp_path / "src", "--yes")
    assert done.exit_code == 2
    assert "is not a run folder" in done.stderr
    (tmp_path / "link").symlink_to(run)
    assert "is a symbolic link" in harness("remove", tmp_path / "link", "--yes").stderr
    assert run.exists()


def test_run_that_a_process_works_on_is_not_removed(run: Path) -> None:
    with RunFolder(run).lock():
        done = harness("remove", run, "--yes")
    assert done.exit_code == 2
    assert f"a process works on {run}; stop it first" in done.stderr
    assert run.exists()


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", {"COMP_WORDS": "harness ev", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "harness ev"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "harness ev", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_commands(shell: str, line: dict[str, str]) -> None:
    environ = os.environ | {"PYTHONPATH": str(STUDIES.parent), "_HARNESS_COMPLETE": f"complete_{shell}"} | line
    done = subprocess.run(
        [sys.executable, "-m", "harness"], env=environ, capture_output=True, text=True, check=False, timeout=600
    )
    assert "evaluate" in done.stdout
    assert "sweep" not in done.stdout
