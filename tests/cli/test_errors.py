"""docs/errors.md is true: every command in it gives its message, exit code 2, and no traceback."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.records.rundir import RunFolder
from tests.cli.bad_inputs import make_bad_inputs, make_run

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "errors.md"
TRANSFORMERS = re.compile(r"transformers \d+\.\d+\.\d+")
HOLDER = re.compile(r"process \d+ on \S+ since [\d-]+ [\d:]+")


@dataclass(frozen=True)
class Case:
    """A row of the tables: what is wrong, the command, and its output."""

    what: str
    command: str
    message: str


def documented() -> list[Case]:
    rows = [line.removeprefix("| ").removesuffix(" |") for line in DOCS.read_text("utf-8").splitlines()]
    cells = [row.replace("\\|", "\0").split(" | ") for row in rows if "`harness " in row]
    return [Case(what, command.strip("`"), _message(message)) for what, command, message in cells]


def _message(cell: str) -> str:
    return "\n".join(line.removeprefix("`").removesuffix("`") for line in cell.split("<br>")).replace("\0", "|")


def prepared(folder: Path) -> None:
    make_bad_inputs(folder)
    make_run(folder / "study.yaml", folder / "runs")
    sha256 = hashlib.sha256((folder / "reviews.csv").read_bytes()).hexdigest()
    make_run(folder / "older.yaml", folder / "runs", sha256=sha256, rows_sha256="0" * 64, version="0.0.9")


def outcome(case: Case, folder: Path, patch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and output, the folder's name left out, versions and the line that names a process made the same."""
    patch.chdir(folder)
    patch.setenv("HARNESS_CACHE", str(folder / "cache"))
    patch.setattr("harness.machine.slots.accelerators", lambda: ())
    patch.setattr("harness.data.checkpoints.folder._READERS", {"sentencepiece": "surely_absent"})
    with ExitStack() as stack:
        if "name=held" in case.command:
            run = RunFolder.of(folder / "runs", "held")
            run.create()
            stack.enter_context(run.lock())
        if "name=full" in case.command:
            patch.setattr("harness.records.rundir.write_json", _disk_full)
        done = CliRunner().invoke(app, shlex.split(case.command)[1:])
    shown = done.output.replace(f"{folder}/", "").strip()
    shown = TRANSFORMERS.sub("transformers 5.23.0", shown)
    return done.exit_code, HOLDER.sub("process 4711 on box since 2026-01-31 12:00:00", shown)


def _disk_full(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inputs")
    prepared(path)
    return path


@pytest.mark.parametrize("case", documented(), ids=lambda case: case.what.replace(" ", "-"))
def test_error_is_as_documented(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, shown = outcome(case, folder, monkeypatch)
    assert shown == case.message
    assert code == 2
    assert "Traceback" not in shown
    assert all(line.startswith("error: ") for line in shown.splitlines())


def test_errors_document_twenty_at_least() -> None:
    cases = documented()
    assert len(cases) == len({case.command for case in cases}) >= 20


def test_errors_come_before_torch(folder: Path) -> None:
    commands = ["sweep study.yaml name=new data.path=one-class.csv", "results no-tables", "predict model"]
    code = f"""
import sys
from typer.testing import CliRunner
from harness.cli import app
for command in {commands!r}:
    assert CliRunner().invoke(app, command.split()).exit_code == 2, command
assert not {{"torch", "transformers", "ray"}} & set(sys.modules)
"""
    environ = os.environ | {"PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


#: A model type that needs a language, which a study cannot give.
UNTRAINABLE = "{model_type: xmod, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64}"


def test_a_model_that_cannot_be_trained_leaves_no_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["harness", "sweep", "study.yaml", "name=untrainable", "--engine", "inline"]
    command.append(f"model={{checkpoint: [scratch, 'scratch#layers=1'], architecture: {UNTRAINABLE}}}")
    code, shown = outcome(Case("", shlex.join(command), ""), folder, monkeypatch)
    last = shown.splitlines()[-1]
    assert (code, last.partition(" (")[0]) == (
        2,
        "error: model.checkpoint: 'scratch': a xmod model cannot be trained on this data",
    )
    assert last.endswith("; choose another")
    assert not list((folder / "runs" / "untrainable").glob("*.*"))
