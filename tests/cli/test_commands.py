"""Every command on a real, tiny run."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app
from tests.conftest import STUDIES

COMMANDS = (
    "sweep",
    "results",
    "status",
    "report",
    "compare",
    "bench",
    "replay",
    "rank",
    "plan",
    "export",
    "predict",
    "evaluate",
    "rerun",
    "schema",
    "doctor",
    "init",
    "runs",
    "remove",
)


def harness(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_names_every_command() -> None:
    done = harness("--help")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.split("Commands:\n")[1].splitlines() if line] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_help(command: str) -> None:
    done = harness(command, "-h")
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_version_of_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    done = harness("--version")
    assert (done.exit_code, done.stdout) == (0, "harness (not installed, so without a version)\n")


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from typer.testing import CliRunner
from harness.cli import app
assert CliRunner().invoke(app, ["--help"]).exit_code == 0
heavy = {"torch", "transformers", "optuna", "ray", "plotly", "pandas", "numpy", "pydantic", "yaml", "sklearn", "scipy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=STUDIES.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["frobnicate"], ["sweep"], ["results", "x", "--yaml"], ["export", "x"]])
def test_usage_error_exits_2(arguments: list[str]) -> None:
    done = harness(*arguments)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr


def test_schema_is_json_of_the_study() -> None:
    schema = json.loads(harness("schema").stdout)
    assert {"name", "data", "model", "training", "search"} <= set(schema["properties"])


def test_results_json_is_all_there_is_on_stdout(smoke_run: Path) -> None:
    done = harness("results", smoke_run, "--json")
    found = json.loads(done.stdout)
    assert found["study"] == "smoke"
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2, 3]
    assert found["best"]["export"] == str(smoke_run / "best")
    assert isinstance(found["next_steps"], list)
    assert set(found["best"]["test"]["accuracy"]) == {"value", "low", "high"}


def test_results_csv_has_a_row_a_trial(smoke_run: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(harness("results", smoke_run, "--csv").stdout)))
    assert sorted(int(row["number"]) for row in rows) == [0, 1, 2, 3]
    assert {"state", "learning_rate", "accuracy"} <= set(rows[0])


def test_results_for_people_ends_with_a_command(smoke_run: Path) -> None:
    lines = harness("results", smoke_run).stdout.splitlines()
    assert lines[0].split()[:2] == ["rank", "trial"]
    assert lines[-1].startswith("try     harness predict ")


def test_status_of_a_finished_run_is_its_outcome(smoke_run: Path) -> None:
    done = harness("status", smoke_run)
    assert done.exit_code == 0
    assert "Winner" in done.stdout


def test_report_prints_where_it_is(smoke_run: Path, tmp_path: Path) -> None:
    done = harness("report", smoke_run, "--out", tmp_path / "page")
    assert done.stdout.strip() == str(tmp_path / "page" / "index.html")
    assert "plotly-graph-div" in (tmp_path / "page" / "index.html").read_text("utf-8")


def test_report_goes_by_the_run_folder_so_that_two_runs_of_a_study_keep_theirs(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        shutil.copytree(smoke_run, tmp_path / "runs" / name)
        assert harness("report", f"runs/{name}/").stdout.strip() == f"reports/{name}/index.html"
    assert sorted(page.parent.name for page in tmp_path.glob("reports/*/index.html")) == ["first", "second"]


def test_compare_prints_where_it_is(smoke_run: Path, tmp_path: Path) -> None:
    done = harness("compare", smoke_run, smoke_run, "--out", tmp_path / "both")
    assert done.exit_code == 0, done.output
    assert Path(done.stdout.strip()).is_file()


def test_predict_prints_a_line_a_text(smoke_run: Path) -> None:
    done = harness("predict", smoke_run / "best", "a dog barks", "[red]rain[/red]")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0].split() == ["label", "probability", "next", "text"]
    assert lines[1].endswith("a dog barks")
    assert lines[2].endswith("[red]rain[/red]")


def test_predict_json_is_all_there_is_on_stdout(smoke_run: Path) -> None:
    (found,) = json.loads(harness("predict", smoke_run / "best", "a dog barks", "--json").stdout)
    assert found["text"] == "a dog barks"
    assert found["label"] == max(found["probabilities"], key=found["probabilities"].get)
    assert sum(found["probabilities"].values()) == pytest.approx(1)


def test_predict_out_that_cannot_be_written_is_bad_input(smoke_run: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "in.csv", tmp_path / "missing" / "out.csv"
    table.write_text("text\na dog barks\n", encoding="utf-8")
    done = harness("predict", smoke_run / "best", "--csv", table, "--out", out)
    assert (done.exit_code, done.stderr) == (2, f"error: --out {out} cannot be written: No such file or directory\n")
    done = harness("predict", smoke_run / "best", "a dog barks", "--out", out)
    assert (done.exit_code, done.stderr[:20]) == (2, "error: --out goes wi")


def test_predict_csv_keeps_the_table_and_adds_two_columns(smoke_run: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "in.csv", tmp_path / "out.csv"
    table.write_text('id,text\n1,"a dog, barking"\n2,=1+1\n', encoding="utf-8")
    assert harness("predict", smoke_run / "best", "--csv", table, "--out", out).stdout == ""
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    assert [row["text"] for row in rows] == ["a dog, barking", "=1+1"]
    assert list(rows[0]) == ["id", "text", "label", "probability"]
    assert harness("predict", smoke_run / "best", "--csv", table).stdout == out.read_text("utf-8")


def test_rerun_of_a_trial_comes_out_the_same(smoke_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(smoke_run.parents[1] / "cache"))
    done = harness("rerun", smoke_run, 1)
    assert "DIFFERENT" not in done.stdout
    assert done.stdout.splitlines()[-1] == "trial 1 came out the same"
    assert done.exit_code == 0


def test_sweep_of_a_finished_study_prints_its_results(smoke_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(smoke_run.parents[1] / "cache"))
    monkeypatch.chdir(smoke_run.parents[1])
    done = harness("sweep", STUDIES / "smoke.yaml", "engine.threads_per_slot=1")
    assert done.exit_code == 0
    assert "smoke is finished" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("try     harness predict ")
