"""`harness replay`, and the commands of docs/pruning.md."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from tests.search.curves import rows_of_table, write_table

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[list[str]]:
    """The `harness replay` lines of the page's code blocks."""
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "docs" / "pruning.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("harness replay ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def run(*words: str) -> str:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_of_the_page_run(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(tmp_path / "table.parquet")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "reviews").symlink_to(ROOT / "tests" / "kept" / "finished")
    monkeypatch.chdir(tmp_path)
    words = ["2" if before == "--n" else word for before, word in zip(["", *command], command, strict=False)]
    output = run(*words)
    assert json.loads(output)["outcomes"] if "--json" in words else "regret" in output


def test_replay_prints_a_line_for_each_pruner_and_sampler(tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.parquet")
    output = run("replay", str(path), "--pruner", "rungs,none", "--sampler", "random,qmc", "--n", "2")
    assert output.startswith("table: 2 replays, 12 trials drawn from 30, by accuracy\n")
    lines = [line.split() for line in output.splitlines() if line.startswith(("random", "qmc"))]
    assert [line[:2] for line in lines] == [["random", "rungs"], ["random", "none"], ["qmc", "rungs"], ["qmc", "none"]]
    assert lines[1][2:4] == ["100.0", "%"]


@pytest.mark.parametrize("trials", [30, 60])
def test_replay_says_where_a_table_has_fewer_trials_than_asked_for(tmp_path: Path, trials: int) -> None:
    path = write_table(tmp_path / "table.parquet")
    output = run("replay", str(path), "--pruner", "none", "--sampler", "random", "--n", "1", "--trials", str(trials))
    assert "1 replay, 30 trials drawn from 30" in output
    told = "--trials 60 is more than the 30 combinations that are recorded: each search has these 30\n"
    assert (told in output) is (trials == 60)


def test_replay_says_which_trials_cannot_be_known() -> None:
    output = run("replay", str(ROOT / "tests" / "kept" / "finished"), "--pruner", "none", "--n", "1")
    assert re.search(r"none with tpe cannot be known: it keeps trials? [\d, and]+ longer than the run did", output)
    assert re.search(r"tpe +none +not known", output)


def test_replay_says_how_to_evaluate_early_enough(tmp_path: Path) -> None:
    rows = [row for row in rows_of_table() if row["step"] > 0.4 * row["total_steps"]]
    path = write_table(tmp_path / "table.parquet", rows)
    output = run("replay", str(path), "--pruner", "rungs,none", "--n", "2")
    assert re.search(r"tpe +rungs +not known", output) and re.search(r"tpe +none +100.0", output)
    assert "where nothing was evaluated; to know it, train with search.pruner.name=none" in output
    assert re.search(r"training.evaluations_per_epoch=\d+", output)
