"""`--require` of `results` and `sweep`: exit codes, and what goes to which stream."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.records.results import Results, load

KEPT = Path(__file__).parents[1] / "kept"
MET, LINE = "accuracy >= 80%", "required accuracy >= 80%: 83.3 % on test\n"
UNMET = "accuracy >= 0.9"
ERROR = "error: required accuracy >= 0.9, but the winner has 83.3 % on test (95 % interval 77.2–88.1 %)\n"


def harness(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of a run with a winner of 83.3 % accuracy on test, and of one without a winner."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("finished", "stopped_early"):
        shutil.copytree(KEPT / name, folder / name)
    return folder


def test_results_end_with_a_line_where_it_is_met(runs: Path) -> None:
    plain, done = harness("results", runs / "finished"), harness("results", runs / "finished", "--require", MET)
    assert (done.exit_code, done.stdout, done.stderr) == (0, plain.stdout + LINE, "")


def test_results_are_shown_where_it_is_not_met(runs: Path) -> None:
    plain, done = harness("results", runs / "finished"), harness("results", runs / "finished", "--require", UNMET)
    assert (done.exit_code, done.stdout, done.stderr) == (1, plain.stdout, ERROR)


@pytest.mark.parametrize("option", ["--json", "--csv"])
@pytest.mark.parametrize(("required", "code", "line"), [(MET, 0, LINE), (UNMET, 1, ERROR)])
def test_a_format_has_standard_output_to_itself(runs: Path, option: str, required: str, code: int, line: str) -> None:
    plain = harness("results", runs / "finished", option)
    done = harness("results", runs / "finished", option, "--require", required)
    assert (done.exit_code, done.stdout, done.stderr) == (code, plain.stdout, line)


def test_value_is_that_of_the_json(runs: Path) -> None:
    value = json.loads(harness("results", runs / "finished", "--json").stdout)["best"]["test"]["accuracy"]["value"]
    required = [f"accuracy {operator} {value!r}" for operator in (">=", ">")]
    assert [harness("results", runs / "finished", "--require", text).exit_code for text in required] == [0, 1]


def test_option_is_repeated(runs: Path) -> None:
    required = ["--require", MET, "--require", UNMET, "--require", "peak_memory_mib <= 500"]
    done = harness("results", runs / "finished", *required)
    assert done.exit_code == 1
    assert done.stdout.endswith(LINE)
    assert done.stderr.splitlines() == [
        ERROR.strip(),
        "error: required peak_memory_mib <= 500, but the winner has 546 MiB in training",
    ]


def test_no_winner_yet(runs: Path) -> None:
    done = harness("results", runs / "stopped_early", "--json", "--require", MET)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["best"]["test"] == {}
    assert done.stderr == (
        f"error: required {MET}, but {runs / 'stopped_early'} has no winner yet; let the sweep come to its end\n"
    )


def test_bad_requirement_of_results_prints_no_results(runs: Path) -> None:
    done = harness("results", runs / "finished", "--require", "acuracy >= 0.9", "--require", "accuracy")
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 2)


@pytest.fixture
def swept(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the studies that were swept; each has the results of the kept run."""
    names: list[str] = []

    def sweep(spec: Any, **options: Any) -> Results:
        names.append(spec.name)
        return load(runs / "finished")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.terminal.sweep.sweep", sweep)
    return names


@pytest.mark.parametrize(("required", "code", "line"), [(MET, 0, LINE), (UNMET, 1, ERROR)])
def test_sweep_ends_with_the_check(swept: list[str], required: str, code: int, line: str) -> None:
    done = harness("sweep", KEPT / "finished.yaml", "--require", required)
    assert (done.exit_code, done.stderr) == (code, line if code else "")
    assert "Winner" in done.stdout
    assert done.stdout.endswith(line) == (code == 0)
    assert swept == ["finished"]


def test_bad_requirement_of_a_sweep_trains_nothing(swept: list[str], tmp_path: Path) -> None:
    done = harness("sweep", KEPT / "finished.yaml", "--require", "rmse <= 0.9")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --require 'rmse <= 0.9': metric 'rmse' is unknown to image-classification;")
    assert swept == []
    assert list(tmp_path.iterdir()) == []
